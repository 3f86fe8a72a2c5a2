import { type Random } from './random.js';

/** The meters of a soak; each counts events of this type. */
export const EVENT_TYPE = 'soak.call';
export const METERS = {
  calls: { aggregation: 'count', group_by: { region: '$.region' } },
  units: { aggregation: 'sum', value_property: '$.units' },
  eu_units: {
    ...{ aggregation: 'sum', value_property: '$.units' },
    filters: [{ property: '$.region', op: 'eq', value: 'eu' }],
  },
  /** Made in the middle of the soak, so that it has a history to count. */
  late: { aggregation: 'count' },
} as const;
export type MeterKey = keyof typeof METERS;

const SUBJECTS = Array.from({ length: 12 }, (_, index) => `subject-${index}`);
const REGIONS = ['eu', 'us', 'ap'];
const HOUR_MS = 3_600_000;
const SPAN_MS = 6 * HOUR_MS;
export const MICROS = 1_000_000n;

export interface SoakEvent {
  /** 0, 1, 2 … of its source. */
  readonly number: number;
  readonly subject: string;
  readonly region: string;
  /** Its value in millionths. */
  readonly micros: bigint;
  readonly time: Date;
}

/** What is to be told when it happens. */
interface Waiter {
  readonly sentAfter: number;
  readonly urls: readonly string[] | null;
  readonly resolve: () => void;
}

/** What was sent and answered, kept apart from everything that the service keeps. */
export class Tally {
  /** Events made of each source, numbered from 0. */
  readonly made = new Map<string, number>();
  /** By meter and subject, in millionths. */
  readonly usage = new Map<string, bigint>();
  /** Events, also those sent again. */
  requested = 0;
  acknowledged = 0;
  repeated = 0;
  /** Requests by status; `cut` when there was no answer. */
  readonly answers = new Map<string, number>();
  readonly kills = new Map<string, number>();
  readonly recoveriesMs: number[] = [];
  /** Rebuilds that were asked for. */
  rebuilds = 0;
  /** Subscriptions that were made. */
  subscriptions = 0;
  /** What must not be, as it was seen. */
  readonly faults: string[] = [];
  private waiters: Waiter[] = [];

  get sent(): number {
    return [...this.made.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A new event of the source; from now on it belongs to the usage that must come out. */
  make(source: string, random: Random, isWhole: boolean): SoakEvent {
    const number = this.made.get(source) ?? 0;
    this.made.set(source, number + 1);
    const subject = random.pick(SUBJECTS);
    const region = random.pick(REGIONS);
    // One in ten has more digits than a double holds.
    const units = BigInt(random.whole(0, random.happens(0.1) ? 1e12 : 1_000)) * MICROS;
    const micros = isWhole ? units : units + BigInt(random.whole(0, 1e6));
    this.count('calls', subject, MICROS);
    this.count('late', subject, MICROS);
    this.count('units', subject, micros);
    this.count('eu_units', subject, region === 'eu' ? micros : 0n);
    const time = new Date(Date.now() - random.whole(0, SPAN_MS));
    return { number, subject, region, micros, time };
  }

  answered(status: string): void {
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
  }

  /** Events were acknowledged for good: none of them is sent for the first time again. */
  acknowledge(count: number): void {
    this.acknowledged += count;
  }

  /** A request of this moment (`performance.now()`) got its 2xx from there. */
  succeeded(url: string, sentAt: number): void {
    const isMet = ({ sentAfter, urls }: Waiter): boolean =>
      sentAt > sentAfter && (urls === null || urls.includes(url));
    const met = this.waiters.filter(isMet);
    this.waiters = this.waiters.filter((waiter) => !isMet(waiter));
    for (const { resolve } of met) {
      resolve();
    }
  }

  /** Waits for a 2xx to a request that is sent after this moment, from one of these when given. */
  async success(sentAfter: number, urls: readonly string[] | null): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiters.push({ sentAfter, urls, resolve });
    });
  }

  fault(what: string): void {
    this.faults.push(what);
  }

  private count(meter: MeterKey, subject: string, micros: bigint): void {
    const key = `${meter} ${subject}`;
    this.usage.set(key, (this.usage.get(key) ?? 0n) + micros);
  }
}

/** Millionths as decimal text without trailing zeros, as usage is answered. */
export function decimalText(micros: bigint): string {
  const fraction = (micros % MICROS).toString().padStart(6, '0').replace(/0+$/, '');
  return `${micros / MICROS}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The time in which all events lie, with ends that cut hours. */
export function wholeTime(): { from: string; to: string } {
  const from = new Date(Date.now() - 30 * 24 * HOUR_MS).toISOString();
  return { from, to: new Date(Date.now() + HOUR_MS).toISOString() };
}
