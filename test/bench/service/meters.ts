/* Meters that are live while events are stored: each event counts in every one of them. */

const STANDARD = [
  {
    key: 'requests',
    name: 'Requests',
    event_type: 'api.request',
    aggregation: 'count',
    group_by: { region: '$.region' },
  },
  {
    key: 'egress',
    name: 'Egress',
    event_type: 'api.request',
    aggregation: 'sum',
    value_property: '$.bytes',
  },
  {
    key: 'successes',
    name: 'Successes',
    event_type: 'api.request',
    aggregation: 'count',
    filters: [{ property: '$.status', op: 'eq', value: 200 }],
  },
];

/** The first `count` meters: a group, a sum and a filter, and the same three again. */
export function benchMeters(count: number): object[] {
  return Array.from({ length: count }, (_, index) => {
    const meter = STANDARD[index % STANDARD.length];
    const isFirst = index < STANDARD.length;
    return { ...meter, key: isFirst ? meter?.key : `${String(meter?.key)}_${index}` };
  });
}
