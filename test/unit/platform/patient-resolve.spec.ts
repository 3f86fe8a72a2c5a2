/*
 * Aim: names whose servers do not answer hold up no other. Method: look-ups on four threads, as node makes them,
 * which are ended by hand, and a clock that is moved by hand.
 */
import { type Resolve } from '../../../src/platform/outbound/guarded-connector.js';
import { patientResolve } from '../../../src/platform/outbound/patient-resolve.js';

const THREADS = 4;

describe('patientResolve', () => {
  let underWay: { hostname: string; end: () => void }[];
  let queued: (() => void)[];
  let timers: Set<() => void>;
  let answered: string[];
  let resolve: Resolve;

  const threads: Resolve = (hostname, _, callback) => {
    const run = (): void => {
      const entry = {
        hostname,
        end: (): void => {
          underWay = underWay.filter((one) => one !== entry);
          queued.shift()?.();
          callback(null, [{ address: '93.184.215.14', family: 4 }]);
        },
      };
      underWay.push(entry);
    };
    if (underWay.length < THREADS) {
      run();
    } else {
      queued.push(run);
    }
  };
  const ask = (hostname: string): void => {
    resolve(hostname, { all: true }, () => answered.push(hostname));
  };
  const end = (hostname: string): void => {
    underWay.find((one) => one.hostname === hostname)?.end();
  };
  /** All that is under way has taken long by now. */
  const wait = (): void => {
    for (const run of [...timers]) {
      timers.delete(run);
      run();
    }
  };
  const names = (): string[] => underWay.map(({ hostname }) => hostname);

  beforeEach(() => {
    underWay = [];
    queued = [];
    timers = new Set();
    answered = [];
    resolve = patientResolve(threads, (run) => {
      timers.add(run);
      return () => timers.delete(run);
    });
  });

  it('leaves threads to others once it is known who is slow, and asks these two at a time', () => {
    const slow = ['a', 'b', 'c', 'd'];
    slow.forEach(ask);
    wait();
    slow.forEach(end);
    expect(answered).toEqual(slow);
    slow.forEach(ask);
    expect(names()).toEqual(['a', 'b']);
    ask('quick');
    end('quick');
    expect(answered.at(-1)).toBe('quick');
    wait();
    end('a');
    expect(names()).toEqual(['b', 'c']);
    end('b');
    end('c');
    end('d');
    expect(answered.slice(-3)).toEqual(['b', 'c', 'd']);
    expect([underWay, queued]).toEqual([[], []]);
  });

  it('knows a name for slow while it is being looked up, and no longer once it was quick', () => {
    ask('a');
    ask('b');
    wait();
    ask('a');
    expect(names()).toEqual(['a', 'b']);
    end('a');
    expect(names()).toEqual(['b', 'a']);
    end('a');
    end('b');
    ask('a');
    ask('a');
    ask('a');
    expect(names()).toEqual(['a', 'a', 'a']);
  });
});
