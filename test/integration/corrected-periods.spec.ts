/*
 * Aim: a closed period keeps what it counted, though its events are voided or replaced afterwards.
 * Method: whole application, fake clock; the line item is counted again from raw events.
 */
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { UsageReader } from '../../src/usage/usage.reader.js';
import { perUnit, startBilling, type TestBilling } from '../support/billing.js';

const NOTE = { reason: 'a test', by: 'key_test' };
const NOVEMBER = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };

describe('a closed period whose events are corrected', () => {
  let billing: TestBilling;

  beforeAll(async () => {
    billing = await startBilling('2026-11-01T00:00:00Z');
  });

  afterAll(async () => {
    await billing.close();
  });

  it('nets what came before its cut-off, and stands when more comes after', async () => {
    const customer = await billing.customer();
    await billing.subscribe(customer, await billing.plan([perUnit('0.01')]));
    billing.clock.set('2026-11-20T00:00:00Z');
    await billing.use(customer.key, '2026-11-10T10:20:30Z', ['100', '200', '400']);
    const events = await billing.rows('SELECT source, id, data FROM usage_events');
    const identityOf = (v: string): { source: string; id: string } => {
      const row = events.find(({ data }) => (data as { v: string }).v === v);
      return { source: String(row?.['source']), id: String(row?.['id']) };
    };
    const corrections = billing.get(CorrectionsService);
    await corrections.void(identityOf('100'), NOTE);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const replaced = {
      ...{ type: 'api.request', subject: customer.key, time: '2026-11-10T10:20:30Z' },
      ...{ ...identityOf('400'), data: '{"v":"1"}', extensions: null },
    };
    await corrections.void(identityOf('200'), NOTE);
    await corrections.replace(identityOf('400'), () => replaced, NOTE);
    await billing.closeAllDue();

    const lines = await billing.rows(
      'SELECT quantity, amount_minor, cut_off_batch FROM line_items ORDER BY id',
    );
    expect(lines).toMatchObject([{ quantity: '600', amount_minor: '600' }]);
    const meter = await billing.get(MetersReader).get('used');
    const usage = billing.get(UsageReader);
    expect((await usage.quantityOf(meter, customer.id, NOVEMBER)).toFixed()).toBe('1');
    const [asBilled] = await usage.readAsOf(
      {
        ...{ meter, buckets: [NOVEMBER], groupBy: [], groupFilter: {}, by: 'customer' as const },
        now: NOVEMBER.end,
        whose: { kind: 'customer', customerId: customer.id },
      },
      BigInt(String(lines[0]?.['cut_off_batch'])),
    );
    expect(asBilled?.quantity.toFixed()).toBe('600');
  });
});
