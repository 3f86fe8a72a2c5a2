import type { Account, PaymentMethodRecord } from './account.js';
import { invalid, noSuch } from './errors.js';
import { newId } from './ids.js';
import type { Origin } from './objects.js';
import { required, text } from './parameters.js';
import { type Route, route } from './routes.js';

interface TestCard {
  brand: string;
  last4: string;
  decline: string | null;
}

/** Stripe's test payment methods; attaching one makes a new payment method of that card. */
const TEST_CARDS: Record<string, TestCard> = {
  pm_card_visa: { brand: 'visa', last4: '4242', decline: null },
  pm_card_mastercard: { brand: 'mastercard', last4: '4444', decline: null },
  pm_card_amex: { brand: 'amex', last4: '8431', decline: null },
  pm_card_chargeCustomerFail: { brand: 'visa', last4: '0341', decline: 'generic_decline' },
};

/** Attaches a payment method (or a test card) to a customer; returns it as it is afterwards. */
export function attachPaymentMethod(
  account: Account,
  id: string,
  customer: string,
  { origin, param }: { origin: Origin; param: string },
): PaymentMethodRecord {
  const record = account.paymentMethods.get(id) ?? newTestCard(account, id);
  if (record === undefined) {
    throw noSuch('PaymentMethod', id, param);
  }
  if (record.object.customer !== null && record.object.customer !== customer) {
    throw invalid('The payment method you provided has already been attached to a customer.', {
      param,
    });
  }
  if (record.object.customer === null) {
    record.object.customer = customer;
    account.paymentMethods.set(record.object.id, record);
    account.emit('payment_method.attached', record.object, origin);
  }
  return record;
}

/** A payment method that is attached to this customer, else Stripe's refusal. */
export function attachedPaymentMethod(
  account: Account,
  id: string,
  { customer, param }: { customer: string; param: string },
): PaymentMethodRecord {
  const record = account.paymentMethods.get(id);
  if (record?.object.customer !== customer) {
    throw invalid(
      `The customer does not have a payment method with the ID ${id}. The payment method must be ` +
        'attached to the customer.',
      { code: 'resource_missing', param },
    );
  }
  return record;
}

function newTestCard(account: Account, id: string): PaymentMethodRecord | undefined {
  const card = Object.hasOwn(TEST_CARDS, id) ? TEST_CARDS[id] : undefined;
  return card === undefined ? undefined : { object: cardOf(account, card), decline: card.decline };
}

function cardOf(account: Account, { brand, last4 }: TestCard): PaymentMethodRecord['object'] {
  return {
    id: newId('pm'),
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: {
      address: {
        city: null,
        country: null,
        line1: null,
        line2: null,
        postal_code: null,
        state: null,
      },
      email: null,
      name: null,
      phone: null,
      tax_id: null,
    },
    card: {
      brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: null },
      country: 'US',
      display_brand: brand,
      exp_month: 12,
      exp_year: new Date(account.now() * 1000).getUTCFullYear() + 3,
      fingerprint: `double${last4}fingerprint`.slice(0, 16),
      funding: 'credit',
      generated_from: null,
      last4,
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: account.now(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
}

export const paymentMethodRoutes: Route[] = [
  route('GET', '/v1/payment_methods/:id', {}, ({ account, id }) => {
    const record = account.paymentMethods.get(id);
    if (record === undefined) {
      throw noSuch('PaymentMethod', id, 'payment_method', 404);
    }
    return record.object;
  }),
  route(
    'POST',
    '/v1/payment_methods/:id/attach',
    { customer: required(text()) },
    ({ account, id, origin, params }) => {
      const customer = account.customers.get(params.customer);
      if (customer === undefined || customer.deleted === true) {
        throw noSuch('customer', params.customer, 'customer');
      }
      return attachPaymentMethod(account, id, customer.id, { origin, param: 'payment_method' })
        .object;
    },
  ),
];
