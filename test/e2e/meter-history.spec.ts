/*
 * Aim: a meter says how far the usage that was stored before it is counted.
 * Method: the service does no work in the background; the test does, step by step.
 */
import { MetersReader } from '../../src/meters/meters.reader.js';
import { MetersStore } from '../../src/meters/meters.store.js';
import { Metrics } from '../../src/platform/http/metrics.js';
import { BatchesStore } from '../../src/usage/batches.store.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { factory } from '../support/factory.js';
import { FakeClock } from '../support/fake-clock.js';
import { meterFolding } from '../support/metering.js';
import { startFresh } from '../support/service.js';
import { type TestService } from '../support/service-process.js';

const PATH = '/api/v1/meters';

describe('GET /api/v1/meters/:id', () => {
  let service: TestService;
  let close: () => Promise<void>;
  let fold: FoldService;

  beforeAll(async () => {
    const fresh = await startFresh({ METERLINE_ROLE: 'api' });
    ({ service, close } = fresh);
    const { database } = fresh.db;
    const clock = new FakeClock(new Date().toISOString());
    fold = new FoldService(
      new BatchesStore(database),
      meterFolding(database, clock),
      new MetersReader(new MetersStore(database)),
      database,
      clock,
      new Metrics(),
    );
  });

  afterAll(async () => {
    await close();
  });

  const create = async (key: string): Promise<void> => {
    const body = { key, name: 'M', event_type: 'api.request', aggregation: 'count' };
    expect(await service.post(PATH, body)).toMatchObject({ status: 201 });
  };
  const send = async (count: number): Promise<void> => {
    const time = new Date().toISOString();
    const events = Array.from({ length: count }, () => factory.event({ time }));
    expect((await service.post('/api/v1/events', events)).body).toMatchObject({ accepted: count });
  };
  const history = async (key: string): Promise<unknown> =>
    (await service.get(`${PATH}/${key}`)).body.history;
  const unbegun = { counted_events: null, total_events: null, progress: 0 };

  it('says how far the history of the meter is counted', async () => {
    await create('first');
    await send(3);
    expect(await history('first')).toEqual({ state: 'pending', ...unbegun });
    await fold.foldOnce();
    const none = { counted_events: 0, total_events: 0, progress: 0 };
    expect(await history('first')).toEqual({ state: 'running', ...none });
    await create('second');
    await send(2);
    await fold.foldOnce();
    // What came after the meter is counted as it comes, and is no history.
    const begun = { counted_events: 0, total_events: 3, progress: 0 };
    expect(await history('second')).toEqual({ state: 'running', ...begun });
    await fold.backfillOnce();
    expect(await history('first')).toEqual({ ...unbegun, state: 'complete', progress: 1 });
    await fold.backfillOnce();
    expect(await history('second')).toEqual({ ...unbegun, state: 'complete', progress: 1 });
  });
});
