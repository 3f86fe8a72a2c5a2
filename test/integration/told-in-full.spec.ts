/*
 * Aim: messages of bills and suspensions say what is needed to act on them, without a call back. Method: the
 * whole application with its workers' work done by hand, and the messages that it keeps.
 */
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { judgeAll, threshold } from '../support/thresholds.js';

const TIME = '2026-11-10T11:00:00Z';

describe('a message', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z');
  });

  afterEach(async () => {
    await billing.close();
  });

  const toldOf = async (type: string): Promise<Record<string, unknown>[]> => {
    const rows = await billing.rows(
      `SELECT body::jsonb -> 'data' AS data FROM webhook_messages WHERE type = $1 ORDER BY sequence`,
      [type],
    );
    return rows.map(({ data }) => data as Record<string, unknown>);
  };

  it('of a standing names the thresholds that suspend, and until when', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([perUnit('0.5')]);
    await billing.subscribe(customer, plan, { startsAt: new Date('2026-11-01T00:00:00Z') });
    const watched = { kind: 'customer', customerId: customer.id } as const;
    const { key, id } = await threshold(billing, ['10'], { watched, actions: ['suspend'] });
    await billing.use(customer.key, TIME, ['10']);
    await judgeAll(billing);
    const [crossing] = await billing.rows(
      'SELECT id FROM threshold_crossings WHERE threshold_id = $1',
      [id],
    );
    expect(await toldOf('customer.standing_changed')).toEqual([
      {
        ...{ customer: customer.key, standing: 'suspended', standing_before: 'good' },
        ...{ past_due_since: null, unpaid_invoices: [] },
        suspended_by: [
          { threshold: key, crossing: crossing!['id'], until: '2026-12-01T00:00:00.000Z' },
        ],
      },
    ]);
  });

  it('of a closed period names the price of each line item', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('9.00'), perUnit('0.5')], { graceSeconds: 0 });
    await billing.subscribe(customer, plan, {
      startsAt: new Date('2026-11-01T00:00:00Z'),
      endsAt: new Date('2026-12-01T00:00:00Z'),
    });
    await billing.use(customer.key, TIME, ['10']);
    billing.clock.set('2026-12-01T00:00:01Z');
    await billing.closeAllDue();
    expect(await toldOf('billing_period.closed')).toMatchObject([
      {
        line_items: [
          { kind: 'flat', price: 'base', amount: '9.00' },
          { kind: 'usage', price: 'used', amount: '5.00' },
        ],
      },
    ]);
  });
});
