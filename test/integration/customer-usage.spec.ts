import { CustomerUsageService } from '../../src/billing/periods/customer-usage.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';

describe('the usage of a customer', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z', { isPlanned: true });
    await billing.get(MetersService).create(factory.meter({ key: 'requests' }));
  });

  afterEach(async () => {
    await billing.close();
  });

  it('has each open period with its prices, rated as its preview, and the meters without one', async () => {
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const first = await billing.plan([flat('49.00'), perUnit('0.5')]);
    const second = await billing.plan([perUnit('2', 'again')]);
    const subscriptions = [
      await billing.subscribe(customer, first, { startsAt }),
      await billing.subscribe(customer, second, { startsAt: new Date('2026-11-05T00:00:00Z') }),
    ];
    await billing.use(customer.key, '2026-10-31T23:59:59Z', ['1000']);
    await billing.use(customer.key, '2026-11-02T00:00:00Z', ['0.5', '10']);
    await billing.use(customer.key, '2026-11-06T00:00:00Z', ['3']);
    const { periods } = await billing.get(CustomerUsageService).read(customer.key);
    const shown = periods.map(({ lines, unpriced }) => ({
      priced: lines.map(({ line, measured }) => [
        line.price.key,
        measured === null ? null : `${measured.meter.key} ${measured.quantity.toFixed()}`,
        Number(line.amountMinor),
      ]),
      unpriced: unpriced.map(({ meter, quantity }) => `${meter.key} ${quantity.toFixed()}`),
    }));
    expect(shown).toEqual([
      {
        priced: [
          ['base', null, 4_900],
          ['used', 'used 13.5', 675],
        ],
        unpriced: ['requests 3'],
      },
      { priced: [['again', 'used 3', 600]], unpriced: ['requests 1'] },
    ]);
    for (const [index, { id }] of subscriptions.entries()) {
      const preview = await billing.get(InvoicePreviewService).preview(id);
      expect(periods[index]?.rated.lines).toEqual(preview.rated.lines);
    }
  });

  it('has no period without a subscription, and is refused for nobody', async () => {
    const customer = await billing.customer();
    const usage = billing.get(CustomerUsageService);
    expect((await usage.read(customer.id)).periods).toEqual([]);
    await expect(usage.read('nobody')).rejects.toMatchObject({ kind: 'not_found' });
  });
});
