/*
 * Aim: what is acknowledged is stored and counted once, whatever is killed when.
 * Method: the short form of `npm run soak`, in an order that its seed gives again; a SIGTERM and the
 * death of all replicas at once are in crash.spec.ts and in the long form.
 */
import { type Kill } from '../soak/plant.js';
import { runSoak } from '../soak/soak.js';

const KILLS: readonly Kill[] = ['service', 'postgres', 'backend', 'both'];
/** Patience for a busy machine; it takes a tenth of it. */
const TIMEOUT_MS = 300_000;

describe('two replicas and their PostgreSQL, killed one by one and together', () => {
  it(
    'lose and double nothing',
    async () => {
      const seed = Date.now().toString(36);
      const lines: string[] = [`Seed ${seed}`];
      const { tally, verdict } = await runSoak({
        ...{ seed, sendersOfForm: 1, kills: KILLS, longestPeaceMs: 500 },
        goesOn: (kills) => kills < KILLS.length,
        report: (line) => lines.push(line),
      });
      if (verdict.differences.length > 0) {
        // What differs first, since logs are cut at their end.
        console.error([...verdict.differences, ...lines].join('\n'));
      }
      expect(verdict.differences).toEqual([]);
      expect([...tally.kills.keys()].toSorted()).toEqual([...KILLS].toSorted());
      expect([verdict.stored, verdict.counted]).toEqual([tally.sent, tally.sent]);
      expect(tally.acknowledged).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});
