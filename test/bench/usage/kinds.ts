/* Ten meters of every kind, each with the expression that counts the same over raw events. */

export interface KindOfMeter {
  readonly meter: {
    readonly key: string;
    readonly event_type: string;
    readonly aggregation: string;
  } & Record<string, unknown>;
  /** SQL over `events` that counts the same; for `time_weighted_sum` it is the level of one event. */
  readonly plain: string;
  /** SQL over `events` besides the type; empty for all. */
  readonly condition: string;
  /** The property by which the answer is split; null: by none. */
  readonly group: string | null;
}

const number = (property: string): string => `(events.data->>'${property}')::numeric`;

function kind(
  key: string,
  aggregation: string,
  plain: string,
  given: Record<string, unknown> & { event_type?: string } = {},
): KindOfMeter {
  const meter = { key, name: key, event_type: 'api.request', aggregation, ...given };
  return { meter, plain, condition: '', group: null };
}

const BYTES = { value_property: '$.bytes' };

/** The quotient of an average has more digits than are kept, so that it is rounded once. */
export const KINDS: readonly KindOfMeter[] = [
  kind('requests', 'count', 'count(*)'),
  {
    ...kind('by_region', 'count', 'count(*)', { group_by: { region: '$.region' } }),
    group: 'region',
  },
  {
    ...kind('successes', 'count', 'count(*)', {
      filters: [{ property: '$.status', op: 'eq', value: 200 }],
    }),
    condition: `AND events.data->>'status' = '200'`,
  },
  kind('egress', 'sum', `sum(${number('bytes')})`, BYTES),
  kind('mean_size', 'avg', `round(sum(${number('bytes')})::numeric(60, 30) / count(*), 12)`, BYTES),
  kind('largest', 'max', `max(${number('bytes')})`, BYTES),
  kind(
    'latest_size',
    'latest',
    `(array_agg(${number('bytes')} ORDER BY events.time DESC, ${number('bytes')} DESC))[1]`,
    BYTES,
  ),
  {
    // What is sent while this is measured has no users, and would be put aside.
    ...kind('users', 'unique_count', `count(DISTINCT events.data->>'user')`, {
      value_property: '$.user',
      filters: [{ property: '$.user', op: 'exists' }],
    }),
    condition: `AND events.data->>'user' IS NOT NULL`,
  },
  kind(
    'bandwidth',
    'percentile',
    `(array_agg(${number('mbps')} ORDER BY ${number('mbps')}))[(count(*) * 95 + 99) / 100]`,
    { event_type: 'bandwidth.sample', value_property: '$.mbps', percentile: '95' },
  ),
  kind('storage', 'time_weighted_sum', number('gb'), {
    event_type: 'storage.level',
    value_property: '$.gb',
  }),
];
