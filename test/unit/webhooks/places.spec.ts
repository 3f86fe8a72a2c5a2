import { Places, PLACES, type Pool } from '../../../src/webhooks/deliveries/places.js';

describe('Places', () => {
  /** Places whose calls are slow at once, and what happens when so many quick ones have become slow. */
  const hasty = (): { places: Places; freed: (count: number) => Promise<void> } => {
    let count = 0;
    const waiting: { count: number; resolve: () => void }[] = [];
    const places = new Places(() => {
      count += 1;
      for (const { resolve } of waiting.filter((one) => one.count <= count)) {
        resolve();
      }
    }, 0);
    const freed = async (wanted: number): Promise<void> => {
      await new Promise<void>((resolve) => {
        waiting.push({ count: wanted, resolve });
      });
    };
    return { places, freed };
  };
  const unhurried = (): Places => new Places(() => undefined, 3_600_000);
  const take = (places: Places, pool: Pool, count: number, prefix = 'we'): (() => void)[] =>
    Array.from({ length: count }, (_, index) => places.take(`${prefix}_${index}`, pool));

  it('are counted for each pool', () => {
    const places = unhurried();
    const calls = [...take(places, 'quick', 200), ...take(places, 'failing', 60)];
    expect([places.free('quick'), places.free('slow'), places.free('failing')]).toEqual([
      0, 100, 40,
    ]);
    for (const giveBack of calls) {
      giveBack();
    }
    expect(places.free('quick')).toBe(PLACES.quick);
    expect(places.free('failing')).toBe(PLACES.failing);
    expect(places.slowEndpoints()).toEqual([]);
  });

  it('are free for others once calls have become slow, and not for those', async () => {
    const { places, freed } = hasty();
    take(places, 'quick', 200);
    expect(places.free('quick')).toBe(0);
    await freed(200);
    expect(places.free('quick')).toBe(200);
    expect(places.free('slow')).toBe(0);
    expect(places.slowEndpoints()).toHaveLength(200);
  });

  it('are no more than a thousand in all', async () => {
    const { places, freed } = hasty();
    for (let wave = 1; wave <= 5; wave += 1) {
      take(places, 'quick', places.free('quick'), `we_${wave}`);
      await freed(wave * 200);
    }
    expect([places.free('quick'), places.free('slow'), places.free('failing')]).toEqual([0, 0, 0]);
  });

  it('are an endpoint’s again once a call of it was quick and none is slow any more', async () => {
    const { places, freed } = hasty();
    const slow = [places.take('we_1', 'quick'), places.take('we_1', 'quick')];
    await freed(2);
    places.take('we_1', 'slow')();
    expect(places.slowEndpoints()).toEqual(['we_1']);
    for (const giveBack of slow) {
      giveBack();
    }
    expect(places.slowEndpoints()).toEqual(['we_1']);
    places.take('we_1', 'slow')();
    expect(places.slowEndpoints()).toEqual([]);
    expect(places.free('slow')).toBe(PLACES.slow);
  });

  it('of endpoints that fail are left as they are', async () => {
    const { places, freed } = hasty();
    take(places, 'failing', 100);
    places.take('we_quick', 'quick');
    await freed(1);
    expect(places.free('failing')).toBe(0);
    expect(places.slowEndpoints()).toEqual(['we_quick']);
  });
});
