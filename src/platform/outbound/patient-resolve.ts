/*
 * Keeps names whose servers do not answer from holding up all others. node:dns's `lookup` holds one of four
 * threads, which also read files, until the name server answers or is given up, some ten seconds; a call that is
 * over does not free it. So names that were slow are looked up two at a time, and the others have the rest.
 */
import { type Resolve } from './guarded-connector.js';

/** A look-up that takes longer is slow; a name server answers in some milliseconds. */
const SLOW_MS = 1_000;
/** Half of the threads that there are. */
export const MAX_SLOW_LOOKUPS = 2;
/** As many names are remembered; more endpoints cannot be in use. */
const MAX_KNOWN = 1_000;

/** Runs something after some time; answers how that is called off. */
export type Schedule = (run: () => void, ms: number) => () => void;

const byTimer: Schedule = (run, ms) => {
  const timer = setTimeout(run, ms).unref();
  return () => {
    clearTimeout(timer);
  };
};

/** Look-ups of which those of names that were slow are made two at a time, one after the other came. */
export function patientResolve(resolve: Resolve, schedule: Schedule = byTimer): Resolve {
  const slowNames = new Set<string>();
  const waiting: (() => void)[] = [];
  let slowUnderWay = 0;

  const remember = (hostname: string): void => {
    const [oldest] = slowNames;
    if (slowNames.size >= MAX_KNOWN && oldest !== undefined) {
      slowNames.delete(oldest);
    }
    slowNames.add(hostname);
  };

  const start: Resolve = (hostname, options, callback) => {
    let isSlow = slowNames.has(hostname);
    slowUnderWay += isSlow ? 1 : 0;
    let isLate = false;
    const callOff = schedule(() => {
      isLate = true;
      remember(hostname);
      slowUnderWay += isSlow ? 0 : 1;
      isSlow = true;
    }, SLOW_MS);
    resolve(hostname, options, (error, addresses) => {
      callOff();
      if (!isLate) {
        slowNames.delete(hostname);
      }
      slowUnderWay -= isSlow ? 1 : 0;
      if (slowUnderWay < MAX_SLOW_LOOKUPS) {
        waiting.shift()?.();
      }
      callback(error, addresses);
    });
  };

  return (hostname, options, callback) => {
    if (slowNames.has(hostname) && slowUnderWay >= MAX_SLOW_LOOKUPS) {
      waiting.push(() => {
        start(hostname, options, callback);
      });
    } else {
      start(hostname, options, callback);
    }
  };
}
