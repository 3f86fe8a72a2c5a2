/* Compares what PostgreSQL and the service say with the tally. */
import { Client } from 'pg';
import { type TestService } from '../support/service-process.js';
import { compareKinds } from './kinds.js';
import { settled } from './settling.js';
import { PERIODS_OVER } from './subscribing.js';
import { decimalText, type MeterKey, METERS, type Tally, wholeTime } from './tally.js';

export interface Verdict {
  /** Events in the database. */
  readonly stored: number;
  /** Events in the rollups of the meter that counts all. */
  readonly counted: number;
  /** Every difference to the tally, and every fault that was met. */
  readonly differences: readonly string[];
}

/** Waits until everything is folded and closed, and judges. Nothing may be sent any more. */
export async function judge(
  tally: Tally,
  databaseUrl: string,
  services: readonly TestService[],
  report: (line: string) => void,
): Promise<Verdict> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const differences = [...tally.faults];
  const compare = (what: string, found: unknown, expected: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      differences.push(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
    }
  };
  const one = async (sql: string): Promise<string> => {
    const { rows } = await client.query<{ value: string }>(sql);
    return rows[0]!.value;
  };
  try {
    compare('events acknowledged', tally.acknowledged, tally.sent);
    // Reads are exact also before the last batches are folded.
    await compareUsage(tally, services, compare);
    await compareKinds(client, services, compare);
    await settled(client, report);
    await compareUsage(tally, services, compare);
    await compareKinds(client, services, compare);
    await compareCheck(services, compare);
    const stored = await compareStored(client, tally, compare);
    const counted = await compareRollups(client, tally, compare);
    for (const [what, table] of Object.entries(EMPTY)) {
      compare(what, await one(`SELECT count(*) AS value FROM ${table}`), '0');
    }
    await compareBilling(one, tally, compare);
    return { stored, counted, differences };
  } finally {
    await client.end();
  }
}

type Compare = (what: string, found: unknown, expected: unknown) => void;

const EMPTY = {
  conflicts: 'usage_event_conflicts',
  'refused events': 'rejected_usage_events',
  'values that could not be read': 'quarantined_values',
};

/** The service itself finds no difference between rollups and events either. */
async function compareCheck(services: readonly TestService[], compare: Compare): Promise<void> {
  const [service] = services as [TestService];
  const { status, body } = await service.post('/api/v1/usage/checks', {});
  compare('check of usage', [status, body.difference_count, body.differences], [201, 0, []]);
  compare('hours checked', body.hour_count > 0, true);
}

/** Every event is there once, and nothing else: as many rows as ids, and ids are 0, 1, 2 … of each source. */
async function compareStored(client: Client, tally: Tally, compare: Compare): Promise<number> {
  const { rows } = await client.query<{ source: string; found: string }>(
    `SELECT source, concat_ws(' ', count(*), count(DISTINCT id), min(id::bigint), max(id::bigint)) AS found
     FROM usage_events GROUP BY source`,
  );
  const found = new Map(rows.map((row) => [row.source, row.found]));
  compare('sources', [...found.keys()].toSorted(), [...tally.made.keys()].toSorted());
  for (const [source, count] of tally.made) {
    compare(
      `${source}: rows, ids, first, last`,
      found.get(source),
      `${count} ${count} 0 ${count - 1}`,
    );
  }
  const totals = await client.query<{ keys: string; batched: string; stored: string }>(
    `SELECT (SELECT count(*) FROM usage_event_keys) AS keys,
       (SELECT sum(event_count) FROM ingest_batches) AS batched,
       (SELECT count(*) FROM usage_events) AS stored`,
  );
  const { keys, batched, stored } = totals.rows[0]!;
  const sent = String(tally.sent);
  compare('keys, events of batches', [keys, batched], [sent, sent]);
  return Number(stored);
}

/** The rollups themselves, without what reads add to them. */
async function compareRollups(client: Client, tally: Tally, compare: Compare): Promise<number> {
  const { rows } = await client.query<{
    meter: string;
    subject: string;
    count: string;
    sum: string;
  }>(
    `SELECT meters.key AS meter, rollups.subject, sum(rollups.event_count) AS count,
       trim_scale(sum(rollups.value_sum)) AS sum
     FROM usage_rollups AS rollups JOIN meters ON meters.number = rollups.meter
     WHERE meters.key = ANY ($1)
     GROUP BY meters.key, rollups.subject`,
    [Object.keys(METERS)],
  );
  const isCount = (meter: string): boolean => METERS[meter as MeterKey].aggregation === 'count';
  const found = new Map(
    rows.map((row) => [`${row.meter} ${row.subject}`, isCount(row.meter) ? row.count : row.sum]),
  );
  for (const [key, micros] of tally.usage) {
    compare(`rollups of ${key}`, found.get(key) ?? '0', decimalText(micros));
  }
  compare('series of rollups', found.size <= tally.usage.size, true);
  return rows.reduce((sum, { meter, count }) => sum + (meter === 'calls' ? Number(count) : 0), 0);
}

/** Usage as each replica answers it, to the last digit. */
async function compareUsage(
  tally: Tally,
  services: readonly TestService[],
  compare: Compare,
): Promise<void> {
  for (const service of services) {
    for (const [key, micros] of tally.usage) {
      const [meter, subject = ''] = key.split(' ');
      const query = new URLSearchParams({ subject, ...wholeTime() });
      const { status, body } = await service.get(
        `/api/v1/meters/${meter}/usage?${query.toString()}`,
      );
      const rows: { quantity: string }[] = body.data ?? [];
      const quantity = rows.length === 0 ? '0' : rows.map((row) => row.quantity).join('+');
      compare(`usage of ${key}`, [status, quantity], [200, decimalText(micros)]);
    }
  }
}

/** Each period that is over has been closed once, with one line item and one message. */
async function compareBilling(
  one: (sql: string) => Promise<string>,
  tally: Tally,
  compare: Compare,
): Promise<void> {
  const closed = String(tally.subscriptions * PERIODS_OVER);
  const made = String(tally.subscriptions);
  const questions = {
    customers: ['SELECT count(*) AS value FROM customers', made],
    subscriptions: ['SELECT count(*) AS value FROM subscriptions', made],
    'open periods': [`SELECT count(*) AS value FROM billing_periods WHERE state = 'open'`, made],
    'closed periods': [
      `SELECT count(*) AS value FROM billing_periods WHERE state = 'closed'`,
      closed,
    ],
    'line items': ['SELECT count(*) AS value FROM line_items', closed],
    'messages of closed periods, and periods that they name': [
      `SELECT concat_ws(' ', count(*), count(DISTINCT body::jsonb #>> '{data,billing_period}')) AS value
       FROM webhook_messages`,
      `${closed} ${closed}`,
    ],
  } as const;
  for (const [what, [sql, expected]] of Object.entries(questions)) {
    compare(what, await one(sql), expected);
  }
}
