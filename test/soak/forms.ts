/* The forms in which the same events are sent: ours, one by one, as an array, as lines; a gateway's; OpenTelemetry's. */
import { gzipSync } from 'node:zlib';
import { type Random } from './random.js';
import { decimalText, EVENT_TYPE, MICROS, type SoakEvent } from './tally.js';

export interface Body {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly bytes: Buffer;
}

export interface Form {
  readonly name: string;
  /** Most events of one request. */
  readonly most: number;
  /** Values without a fraction only. */
  readonly isWhole: boolean;
  /** What to make as source first; null when events name theirs. */
  readonly source: object | null;
  /** The request, with these times. */
  write(source: string, events: readonly Stamped[], random: Random): Body;
  /** How many are stored now and were stored before; null when the answer says that some were refused. */
  read(answer: unknown, count: number): { accepted: number; duplicates: number } | null;
}

/** A retry may be stamped anew, as many senders do. */
export interface Stamped extends SoakEvent {
  readonly sentTime: Date;
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** As text, since a double would lose digits. */
function cloudEvent(source: string, event: Stamped): string {
  const { number, subject, region, micros, sentTime } = event;
  const names = { id: String(number), source, type: EVENT_TYPE, subject };
  const head = JSON.stringify({ ...names, time: sentTime.toISOString() }).slice(0, -1);
  return `${head},"data":{"units":${decimalText(micros)},"region":"${region}"}}`;
}

interface Counts {
  readonly accepted: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
}

function readCounts(answer: unknown, count: number): Counts | null {
  const counts = answer as Counts;
  const isWhole = counts.accepted + counts.duplicates === count;
  return isWhole && counts.conflicts === 0 && counts.rejected === 0 ? counts : null;
}

const events = { isWhole: false, source: null, read: readCounts };

const single: Form = {
  ...{ ...events, name: 'single', most: 1 },
  write: (source, [event]) => ({
    ...{ path: '/api/v1/events', headers: JSON_TYPE },
    bytes: Buffer.from(cloudEvent(source, event!)),
  }),
};

const batch: Form = {
  ...{ ...events, name: 'batch', most: 200 },
  write: (source, list) => ({
    ...{ path: '/api/v1/events', headers: JSON_TYPE },
    bytes: Buffer.from(`[${list.map((event) => cloudEvent(source, event)).join(',')}]`),
  }),
};

const lines: Form = {
  ...{ ...events, name: 'lines', most: 1_500 },
  write: (source, list, random) => {
    const text = Buffer.from(list.map((event) => `${cloudEvent(source, event)}\n`).join(''));
    const headers = { 'content-type': 'application/x-ndjson' };
    return random.happens(0.5)
      ? { path: '/api/v1/events', headers, bytes: text }
      : {
          path: '/api/v1/events',
          headers: { ...headers, 'content-encoding': 'gzip' },
          bytes: gzipSync(text, { level: 1 }),
        };
  },
};

const kong: Form = {
  ...{ name: 'kong', most: 50, isWhole: false, read: readCounts },
  source: {
    format: 'kong',
    mapping: { type: { value: EVENT_TYPE }, data: { units: '$.units', region: '$.region' } },
  },
  write: (source, list) => {
    const records = list.map(({ number, subject, region, micros, sentTime }) => {
      const record = {
        ...{ request: { id: String(number), size: 120 }, response: { status: 200 } },
        ...{ consumer: { custom_id: subject }, started_at: sentTime.getTime(), region },
      };
      return `${JSON.stringify(record).slice(0, -1)},"units":${decimalText(micros)}}`;
    });
    const bytes = Buffer.from(`[${records.join(',')}]`);
    return { path: `/api/v1/sources/${source}/events`, headers: JSON_TYPE, bytes };
  },
};

const otlp: Form = {
  ...{ name: 'otlp', most: 100, isWhole: true, source: { format: 'otlp-logs' } },
  write: (source, list) => {
    const logRecords = list.map(({ number, subject, region, micros, sentTime }) => ({
      timeUnixNano: `${sentTime.getTime()}000000`,
      eventName: EVENT_TYPE,
      attributes: [
        { key: 'log.record.uid', value: { stringValue: String(number) } },
        { key: 'subject', value: { stringValue: subject } },
        { key: 'region', value: { stringValue: region } },
        { key: 'units', value: { intValue: String(micros / MICROS) } },
      ],
    }));
    const body = { resourceLogs: [{ scopeLogs: [{ scope: { name: 'soak' }, logRecords }] }] };
    const path = `/api/v1/sources/${source}/v1/logs`;
    return { path, headers: JSON_TYPE, bytes: Buffer.from(JSON.stringify(body)) };
  },
  // It says only that all were taken.
  read: (answer, count) =>
    'partialSuccess' in (answer as object) ? null : { accepted: 0, duplicates: count },
};

export const FORMS: readonly Form[] = [single, batch, lines, kong, otlp];
