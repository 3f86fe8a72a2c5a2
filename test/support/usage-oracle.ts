/*
 * What meters count, the plain way: by going through all events that stand. Knows nothing of SQL,
 * rollups, batches or folds, and shares no code with the service but exact decimals.
 */
import { Big } from 'big.js';

export interface OracleEvent {
  readonly subject: string;
  readonly type: string;
  /** ISO 8601, UTC, to the microsecond. */
  readonly time: string;
  readonly data: {
    readonly v?: unknown;
    readonly w?: number;
    readonly region?: string | null;
    readonly plan?: string;
    readonly status: number;
  };
}

/** Whose a subject is, from when until when; null is without end. */
export interface Ownership {
  readonly subject: string;
  readonly customer: string;
  readonly from: Date | null;
  readonly to: Date | null;
}

export interface OracleMeter {
  readonly kind: string;
  readonly percentile?: string;
  /** Which answer the event is part of. */
  readonly groupOf: (event: OracleEvent) => string;
  /** The number of an event; null when it has none. */
  readonly numberOf: (event: OracleEvent) => Big | null;
  readonly matches: (event: OracleEvent) => boolean;
}

export interface OracleWindow {
  readonly start: Date;
  readonly end: Date;
}

/** The number that an event's `v` is, or stands for; null when it is none. */
export function numberOf(value: unknown): Big | null {
  const text = typeof value === 'number' ? new Big(value).toFixed() : value;
  return typeof text === 'string' && /^-?\d{1,26}(\.\d{1,12})?$/.test(text) ? new Big(text) : null;
}

/** The quantities of a customer in a window, by group: only where there is something. */
export function quantities(
  meter: OracleMeter,
  events: readonly OracleEvent[],
  owned: readonly Ownership[],
  window: OracleWindow,
): Record<string, string> {
  const matching = events.filter((event) => meter.matches(event));
  const byGroup = new Map<string, OracleEvent[]>();
  for (const event of matching) {
    const group = meter.groupOf(event);
    byGroup.set(group, [...(byGroup.get(group) ?? []), event]);
  }
  const found = [...byGroup].flatMap(([group, members]) => {
    const quantity =
      meter.kind === 'time_weighted_sum'
        ? levelHours(meter, members, owned, window)
        : aggregate(
            meter,
            members.filter((event) => isWithin(event, owned, window)),
          );
    return quantity === null ? [] : [[group, quantity.toFixed()] as const];
  });
  return Object.fromEntries(found);
}

export function isWithin(
  event: OracleEvent,
  owned: readonly Ownership[],
  { start, end }: OracleWindow,
): boolean {
  const time = new Date(event.time);
  return (
    time >= start &&
    time < end &&
    owned.some(
      ({ subject, from, to }) =>
        subject === event.subject && (from === null || time >= from) && (to === null || time < to),
    )
  );
}

function aggregate(meter: OracleMeter, events: readonly OracleEvent[]): Big | null {
  if (meter.kind === 'count') {
    return events.length === 0 ? null : new Big(events.length);
  }
  if (meter.kind === 'unique_count') {
    const values = events.flatMap(({ data: { v } }) =>
      v === undefined || v === null
        ? []
        : [typeof v === 'number' ? new Big(v).toFixed() : JSON.stringify(v).replaceAll('"', '')],
    );
    return values.length === 0 ? null : new Big(new Set(values).size);
  }
  const read = events.flatMap((event) => {
    const value = meter.numberOf(event);
    return value === null ? [] : [{ time: event.time, value }];
  });
  if (read.length === 0) {
    return null;
  }
  const sorted = read.map(({ value }) => value).toSorted((left, right) => left.cmp(right));
  const total = sorted.reduce((sum, value) => sum.plus(value), new Big(0));
  switch (meter.kind) {
    case 'sum':
      return total;
    case 'avg':
      return divided(total, new Big(sorted.length));
    case 'min':
      return sorted[0] ?? null;
    case 'max':
      return sorted.at(-1) ?? null;
    case 'latest': {
      const last = read
        .map(({ time }) => time)
        .toSorted()
        .at(-1);
      return greatest(read.filter(({ time }) => time === last).map(({ value }) => value));
    }
    case 'percentile':
      return (
        sorted.find((_, index) =>
          new Big(index + 1).times(100).gte(new Big(sorted.length).times(meter.percentile ?? '0')),
        ) ?? null
      );
    default:
      throw new Error(`No oracle for ${meter.kind}`);
  }
}

function greatest(values: readonly Big[]): Big | null {
  return values.toSorted((left, right) => right.cmp(left))[0] ?? null;
}

/** Half away from zero, to twelve digits after the point. */
function divided(dividend: Big, divisor: Big): Big {
  const scaled = BigInt(dividend.times('1e30').toFixed(0));
  const by = BigInt(divisor.times('1e18').toFixed(0));
  const size = scaled < 0n ? -scaled : scaled;
  const rounded = (2n * size + by) / (2n * by);
  return new Big((scaled < 0n ? -rounded : rounded).toString()).times('1e-12');
}

/** Microseconds since 1970; a double holds them until the year 2255. */
function microsOf(time: string): number {
  const [, fraction = ''] = /\.(\d+)Z$/.exec(time) ?? [];
  return Date.parse(time) * 1_000 + Number(fraction.padEnd(6, '0').slice(3, 6));
}

/** Level times hours, series by series, over the spans that are owned within the window. */
function levelHours(
  meter: OracleMeter,
  events: readonly OracleEvent[],
  owned: readonly Ownership[],
  window: OracleWindow,
): Big | null {
  let area = new Big(0);
  let isHeld = false;
  for (const subject of new Set(events.map((event) => event.subject))) {
    const levels = new Map<number, Big>();
    for (const event of events.filter((candidate) => candidate.subject === subject)) {
      const value = meter.numberOf(event);
      const at = microsOf(event.time);
      if (value !== null) {
        levels.set(at, greatest([value, levels.get(at) ?? value]) ?? value);
      }
    }
    const times = [...levels.keys()].toSorted((left, right) => left - right);
    for (const span of owned.filter((candidate) => candidate.subject === subject)) {
      const start = Math.max(window.start.getTime(), span.from?.getTime() ?? -Infinity) * 1_000;
      const end = Math.min(window.end.getTime(), span.to?.getTime() ?? Infinity) * 1_000;
      times.forEach((time, index) => {
        const from = Math.max(start, time);
        const to = Math.min(end, times[index + 1] ?? Infinity);
        if (from < to) {
          isHeld = true;
          area = area.plus((levels.get(time) ?? new Big(0)).times(to - from));
        }
      });
    }
  }
  return isHeld ? divided(area, new Big(3_600_000_000)) : null;
}
