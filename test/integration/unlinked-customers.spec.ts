/*
 * Aim: a customer whom Stripe does not know yet is put on a plan where somebody will see to it, and else not.
 * Method: the whole application, with and without STRIPE_CREATE_CUSTOMERS; nothing is called.
 */
import { LinksService } from '../../src/billing/customer-links/links.service.js';
import { type Billing } from '../../src/billing/subscriptions/subscription.js';
import { type Customer } from '../../src/customers/customer.js';
import { flat, startBilling, type TestBilling } from '../support/billing.js';

const OWN_INVOICE: Billing = { provider: 'stripe', finalize: true };
const NEEDING: readonly Billing[] = [
  { provider: 'stripe', finalize: true, stripeSubscription: 'sub_9s6XKzkNRiz8i3' },
  { provider: 'none', sendsMeterEvents: true },
];

describe.each(['false', 'true'])('with STRIPE_CREATE_CUSTOMERS=%s', (isCreating) => {
  let billing: TestBilling;

  beforeAll(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z', {
      env: { STRIPE_CREATE_CUSTOMERS: isCreating },
    });
  });

  afterAll(async () => {
    await billing.close();
  });

  /** The code of the refusal, or null. */
  const refusalOf = async (customer: Customer, asked: Billing): Promise<string | null> => {
    const plan = await billing.plan([flat('5')]);
    try {
      await billing.subscribe(customer, plan, { billing: asked });
      return null;
    } catch (error) {
      const [first] = (error as { errors?: { code: string; detail: string }[] }).errors ?? [];
      expect(first?.detail).toMatch(`POST /customers/${customer.key}/stripe`);
      return first?.code ?? '';
    }
  };

  it('takes invoices of our own if the customer is to be created, and nothing else', async () => {
    const customer = await billing.customer();
    for (const asked of NEEDING) {
      expect(await refusalOf(customer, asked)).toBe('no_stripe_customer');
    }
    const refusal = isCreating === 'true' ? null : 'no_stripe_customer';
    expect(await refusalOf(customer, OWN_INVOICE)).toBe(refusal);
  });

  it('takes them while a link is under way, and not after one that failed', async () => {
    const customer = await billing.customer();
    const links = billing.get(LinksService);
    const { link } = await links.request(customer.id, { how: 'metadata' });
    expect(await refusalOf(customer, OWN_INVOICE)).toBeNull();
    const failure = { outcome: 'failed', code: 'not_found', message: 'None.' } as const;
    await links.fail(link!, failure, billing.clock.now());
    expect(await refusalOf(customer, OWN_INVOICE)).toBe('no_stripe_customer');
  });
});
