/*
 * Aim: every model reaches the preview and the ledger as a person would compute it.
 * Method: one customer uses three meters; a plan has a price of every model; the table is by hand.
 */
import { CALM_TIME_ZONE } from '../support/calm-calendar.js';
import { tier } from '../support/prices.js';
import { eventually, type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

const HOUR_MS = 3_600_000;

const TIERS = [tier('1000', '0.01'), tier('2000', '0.005', '1'), tier('', '0.001')];
const tokens = { kind: 'usage', meter: 'tokens' };
const PRICES = [
  { key: 'base', kind: 'flat', amount: '49.00', due: 'in_arrears' },
  { ...tokens, key: 'unit', model: 'per_unit', unit_price: '0.0033', included: '500' },
  { ...tokens, key: 'graduated', model: 'graduated', tiers: TIERS },
  { ...tokens, key: 'volume', model: 'volume', tiers: TIERS },
  { ...tokens, key: 'package', model: 'package', package_size: '1000', package_price: '2.50' },
  { key: 'share', kind: 'usage', meter: 'turnover', model: 'percentage', percent: '2.9' },
  { ...tokens, key: 'least', model: 'per_unit', unit_price: '0.001', minimum_amount: '5' },
  { ...tokens, key: 'most', model: 'per_unit', unit_price: '1', maximum_amount: '20' },
  {
    ...{ key: 'calls-eu', kind: 'usage', meter: 'calls', model: 'per_unit', unit_price: '2' },
    match: { region: 'eu' },
  },
  {
    ...{ key: 'calls-us', kind: 'usage', meter: 'calls', model: 'per_unit', unit_price: '3' },
    match: { region: 'us' },
  },
  { key: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_price: '5' },
];

/** By price: quantity, amount in cents, start of the description. */
const EXPECTED: readonly (readonly [string, string | null, number, string])[] = [
  ['base', null, 4900, 'All: base'],
  // (2500.5 − 500) × 0.0033 = 6.60165
  ['unit', '2500.5', 660, 'Tokens: 2500.5 (500 included) × 0.0033'],
  // 10 + 1 + 5 + 500.5 × 0.001
  ['graduated', '2500.5', 1650, 'Tokens: 2500.5 in 3 tiers'],
  // 2500.5 × 0.001 = 2.5005
  ['volume', '2500.5', 250, 'Tokens: 2500.5 × 0.001'],
  ['package', '2500.5', 750, 'Tokens: 2500.5 as 3 packages of 1000 × 2.5'],
  // 2.9 % of 1234.50 − 34.50 = 34.8
  ['share', '1200', 3480, 'Turnover: 2.9 % of 1200'],
  ['least', '2500.5', 500, 'Tokens: 2500.5 × 0.001'],
  ['most', '2500.5', 2000, 'Tokens: 2500.5 × 1'],
  ['calls-eu', '2', 400, 'Calls (eu): 2 × 2'],
  ['calls-us', '1', 300, 'Calls (us): 1 × 3'],
  // One of another region, and one of none.
  ['calls', '2', 1000, 'Calls: 2 × 5'],
];
const SUM = 15_890;

interface Line {
  readonly id: string;
  readonly price: string;
  readonly quantity: string | null;
  readonly amount_minor: number;
  readonly description: string;
}

interface Preview {
  readonly amount: string;
  readonly amount_minor: number;
  readonly lines: readonly Line[];
}

interface Explanation {
  readonly amount_minor: number;
  readonly events: string | null;
  readonly steps: readonly { readonly amount_minor?: string }[];
}

describe('prices', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    const meter = { event_type: 'call', aggregation: 'sum' };
    await service.post('/api/v1/meters', {
      ...{ ...meter, key: 'tokens', name: 'Tokens', value_property: '$.tokens' },
      filters: [{ property: '$.tokens', op: 'exists', value: true }],
    });
    await service.post('/api/v1/meters', {
      ...{ ...meter, key: 'turnover', name: 'Turnover', event_type: 'payment' },
      value_property: '$.amount',
    });
    await service.post('/api/v1/meters', {
      ...{ ...meter, key: 'calls', name: 'Calls', aggregation: 'count' },
      group_by: { region: '$.region' },
    });
    await service.post('/api/v1/customers', {
      ...{ key: 'acme', name: 'Acme', currency: 'usd', subjects: ['key-1'] },
    });
    const datas = [
      ['call', { tokens: 1000.25, region: 'eu' }],
      ['call', { tokens: 1500.25, region: 'eu' }],
      ['call', { region: 'us' }],
      ['call', { region: 'ap' }],
      ['call', {}],
      ['payment', { amount: 1234.5 }],
      ['payment', { amount: -34.5 }],
    ] as const;
    const events = datas.map(([type, data], index) => ({
      ...{ id: `event-${index}`, source: 'test', type, subject: 'key-1', data },
    }));
    expect((await service.post('/api/v1/events', events)).body).toMatchObject({ accepted: 7 });
  });

  afterAll(async () => {
    await close();
  });

  const subscribe = async (key: string, plan: object): Promise<string> => {
    const base = { key, name: 'All', currency: 'usd', interval: 'month', grace_seconds: 0 };
    expect(await service.post('/api/v1/plans', { ...base, ...plan })).toMatchObject({
      status: 201,
    });
    const { body } = await service.post('/api/v1/subscriptions', {
      ...{ customer: 'acme', plan: key, time_zone: CALM_TIME_ZONE },
      starts_at: new Date(Date.now() - HOUR_MS).toISOString(),
    });
    return body.id;
  };

  /** What a subscription would bill now; and, as it ends now, what it does bill. */
  const previewAndBill = async (id: string): Promise<[preview: Preview, items: Line[]]> => {
    const { body: preview } = await service.get(`/api/v1/subscriptions/${id}/invoice-preview`);
    await service.post(`/api/v1/subscriptions/${id}/cancel`, { at: 'now' });
    const items = await eventually(async () => {
      const path = `/api/v1/line-items?subscription=${id}&limit=100`;
      const { data } = (await service.get(path)).body;
      return data.length > 0 && data.toReversed();
    });
    return [preview, items];
  };
  const shown = (lines: readonly Line[]): unknown[] =>
    lines.map((line) => [line.price, line.quantity, line.amount_minor, line.description]);
  const explanationOf = async (item: Line | undefined): Promise<Explanation> =>
    (await service.get(`/api/v1/line-items/${item?.id}/explanation`)).body;

  it('charge each model as computed by hand, in the preview as in the ledger', async () => {
    const id = await subscribe('all', { prices: PRICES });
    const [preview, items] = await previewAndBill(id);
    const expected = EXPECTED.map(([price, quantity, amount, description]) => [
      ...[price, quantity, amount, expect.stringContaining(`${description} (`)],
    ]);
    expect(shown(preview.lines)).toEqual(expected);
    expect(preview).toMatchObject({ amount: '158.90', amount_minor: SUM });
    expect(shown(items)).toEqual(expected);

    for (const item of items) {
      const { steps, amount_minor: amount } = await explanationOf(item);
      expect(Number(steps.at(-1)?.amount_minor)).toBe(amount);
      expect(amount).toBe(item.amount_minor);
      const verified = await service.post(`/api/v1/line-items/${item.id}/verification`);
      expect(verified).toMatchObject({
        status: 200,
        body: {
          outcome: 'agrees',
          agrees: true,
          matches: true,
          amount_minor: amount,
          recomputed_amount_minor: amount,
          quantity: item.quantity,
          recomputed_quantity: item.quantity,
          steps_agree: true,
          difference: { amount: '0.00' },
        },
      });
    }
    expect(await explanationOf(items[2])).toMatchObject({
      price: { key: 'graduated', kind: 'usage', model: 'graduated', match: null },
      steps: [
        { step: 'tier', from: '0', up_to: '1000', quantity: '1000', amount: '10' },
        { step: 'tier', from: '1000', up_to: '2000', flat_amount: '1', amount: '6' },
        { step: 'tier', from: '2000', up_to: null, quantity: '500.5', amount: '0.5005' },
        { step: 'round', amount: '16.5005', amount_minor: '1650' },
      ],
    });
    expect(await explanationOf(items[8])).toMatchObject({ price: { match: { region: 'eu' } } });
    expect(await explanationOf(items[10])).toMatchObject({
      meter: { key: 'calls', group_by: { region: '$.region' } },
      ownership: 'as_seen',
      usage: {
        adds_up: 'exactly',
        by_group: [
          { group: { region: 'ap' }, quantity: '1', before: null },
          { group: { region: null }, quantity: '1' },
        ],
        has_more_groups: false,
      },
      price: { terms: { unit_price: '5' } },
      rounding: { rule: 'half_up_away_from_zero', exact_amount: '10', amount_minor: '1000' },
      stripe: { customer_id: null, invoice_id: null, invoice_item_id: null },
      corrects: [],
      adjustments: [],
      total_amount: '10.00',
    });
    await eventsAreListed(items);
  });

  /** Page by page, and from the event to its line items. */
  const eventsAreListed = async (items: readonly Line[]): Promise<void> => {
    expect((await explanationOf(items[0])).events).toBeNull();
    const path = `${(await explanationOf(items[1])).events}?limit=1`;
    const first = (await service.get(path)).body;
    expect(first.data).toMatchObject([
      {
        source: 'test',
        id: 'event-0',
        subject: 'key-1',
        value: '1000.25',
        group: {},
        as: 'counted',
      },
    ]);
    const rest = (await service.get(`${path}&cursor=${first.next_cursor}`)).body;
    expect(rest.data).toMatchObject([{ id: 'event-1', value: '1500.25' }]);
    expect(rest.next_cursor).toBeNull();
    expect((await service.get(`/api/v1/line-items/${items[0]?.id}/events`)).body.data).toEqual([]);
    const billed = await service.get('/api/v1/events/line-items?source=test&id=event-2');
    expect(billed.body).toMatchObject({
      dropped: false,
      line_items: [
        { line_item: items[9]?.id, price: 'calls-us', effects: [{ as: 'counted', value: '1' }] },
      ],
    });
  };

  it.each([
    ['minimum', { minimum_amount: '100' }, [4900, 750, 4350], 'All: to the minimum of 100.00 ('],
    ['maximum', { maximum_amount: '50.5' }, [4900, 750, -600], 'All: to the maximum of 50.50 ('],
    ['minimum', { minimum_amount: '5' }, [4900, 750, 0], 'All: to the minimum of 5.00 ('],
  ])('keep the %s of an invoice by a line of its own', async (kind, limits, amounts, text) => {
    const [key] = Object.entries(limits)[0]!;
    const plan = `${kind}-${Object.values(limits)[0]}`;
    const id = await subscribe(plan, { ...limits, prices: [PRICES[0], PRICES[4]] });
    const [preview, items] = await previewAndBill(id);
    for (const lines of [preview.lines, items]) {
      expect(lines.map((line) => line.amount_minor)).toEqual(amounts);
      expect(lines.at(-1)).toMatchObject({ price: key, kind, quantity: null });
      expect(lines.at(-1)?.description).toContain(text);
    }
    expect(await explanationOf(items.at(-1))).toMatchObject({
      price: { key, kind, model: null },
      meter: null,
      steps: [{ step: kind, total: '56.5', amount_minor: String(amounts.at(-1)) }],
    });
  });

  it('leave what none matches to nobody when there is no price for the rest', async () => {
    const id = await subscribe('eu-only', { prices: [PRICES[8]] });
    const [, items] = await previewAndBill(id);
    expect(shown(items)).toMatchObject([['calls-eu', '2', 400, expect.anything()]]);
  });
});
