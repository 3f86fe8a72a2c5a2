import { type Account, previousAttributes } from './account.js';
import { noSuch } from './errors.js';
import { newId, newInvoicePrefix } from './ids.js';
import { inRange, paginate, pagination } from './lists.js';
import { mergeMetadata, metadata } from './metadata.js';
import type { Customer, Origin } from './objects.js';
import * as p from './parameters.js';
import { attachedPaymentMethod, attachPaymentMethod } from './payment-methods.js';
import { customerSearch } from './customer-search.js';
import { type Route, route } from './routes.js';

const address = p.hash({
  city: p.emptyable(p.text()),
  country: p.emptyable(p.text()),
  line1: p.emptyable(p.text()),
  line2: p.emptyable(p.text()),
  postal_code: p.emptyable(p.text()),
  state: p.emptyable(p.text()),
});

const changeable = {
  address: p.emptyable(address),
  balance: p.integer(),
  business_name: p.emptyable(p.text(150)),
  cash_balance: p.unmodelled(),
  description: p.emptyable(p.text()),
  email: p.emptyable(p.email()),
  individual_name: p.emptyable(p.text(150)),
  invoice_prefix: p.text(12),
  invoice_settings: p.hash({
    custom_fields: p.emptyable(
      p.list(p.hash({ name: p.required(p.text(40)), value: p.required(p.text(140)) }), 4),
    ),
    default_payment_method: p.emptyable(p.text()),
    footer: p.emptyable(p.text()),
    rendering_options: p.unmodelled(),
  }),
  metadata: metadata(),
  name: p.emptyable(p.text(256)),
  next_invoice_sequence: p.integer(1),
  phone: p.emptyable(p.text(20)),
  preferred_locales: p.list(p.text()),
  shipping: p.emptyable(
    p.hash({
      address: p.required(address),
      name: p.required(p.text()),
      phone: p.emptyable(p.text(20)),
    }),
  ),
  source: p.unmodelled(),
  tax: p.unmodelled(),
  tax_exempt: p.emptyable(p.oneOf('exempt', 'none', 'reverse')),
  validate: p.unmodelled(),
};
type Changes = p.ParamsOf<typeof changeable>;

const creatable = {
  ...changeable,
  payment_method: p.text(),
  tax_id_data: p.unmodelled(),
  test_clock: p.text(),
};

/** The customer a parameter names, which must exist and not be deleted. */
export function customerOf(account: Account, id: string, param = 'customer'): Customer {
  const customer = account.customers.get(id);
  if (customer === undefined || customer.deleted === true) {
    throw noSuch('customer', id, param);
  }
  return customer;
}

/** The customer of a filter: a deleted one still has its objects. */
export function assertCustomerFilter(account: Account, id: string | undefined): void {
  if (id !== undefined && !account.customers.has(id)) {
    throw noSuch('customer', id, 'customer');
  }
}

/** Changes a customer and, if anything differs, records `customer.updated`. */
export function changeCustomer(
  account: Account,
  customer: Customer,
  change: Partial<Customer>,
  origin: Origin,
): void {
  const before = structuredClone(customer);
  Object.assign(customer, change);
  const previous = previousAttributes(before, customer);
  if (previous !== undefined) {
    account.emit('customer.updated', customer, origin, previous);
  }
}

function blankCustomer(account: Account): Customer {
  return {
    id: newId('cus'),
    object: 'customer',
    address: null,
    balance: 0,
    created: account.now(),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_prefix: newInvoicePrefix(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode: false,
    metadata: {},
    name: null,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
}

type Address = NonNullable<Customer['address']>;

function addressOf(sent: NonNullable<Changes['address']>): Address {
  const blank = { city: null, country: null, line1: null, line2: null, postal_code: null };
  return { ...blank, state: null, ...sent };
}

/** The fields of the object that `changes` sets, taken over from `customer` where they merge. */
function applied(customer: Customer, changes: Changes): Partial<Customer> {
  const { address: sentAddress, invoice_settings: settings, shipping, ...plain } = changes;
  return {
    ...(plain as Partial<Customer>),
    metadata: mergeMetadata(customer.metadata, changes.metadata),
    ...(plain.tax_exempt === null ? { tax_exempt: 'none' } : {}),
    ...(sentAddress === undefined
      ? {}
      : { address: sentAddress === null ? null : addressOf(sentAddress) }),
    ...(shipping === undefined ? {} : { shipping: shippingOf(shipping) }),
    invoice_settings: { ...customer.invoice_settings, ...settings },
  };
}

function shippingOf(sent: NonNullable<Changes['shipping']> | null): Customer['shipping'] {
  return sent === null
    ? null
    : { address: addressOf(sent.address), name: sent.name, phone: sent.phone ?? null };
}

function create(account: Account, params: p.ParamsOf<typeof creatable>, origin: Origin): Customer {
  const { payment_method: paymentMethod, ...changes } = params;
  if (changes.test_clock !== undefined && !account.testClocks.has(changes.test_clock)) {
    throw noSuch('test clock', changes.test_clock, 'test_clock');
  }
  const customer = blankCustomer(account);
  Object.assign(customer, applied(customer, changes));
  const settings = customer.invoice_settings;
  const wanted = settings.default_payment_method;
  if (typeof wanted === 'string' && wanted !== paymentMethod) {
    attachedPaymentMethod(account, wanted, { customer: customer.id, param: DEFAULT_METHOD });
  }
  if (paymentMethod !== undefined) {
    const { object } = attachPaymentMethod(account, paymentMethod, customer.id, {
      origin,
      param: 'payment_method',
    });
    settings.default_payment_method = wanted === paymentMethod ? object.id : wanted;
  }
  account.customers.set(customer.id, customer);
  account.emit('customer.created', customer, origin);
  return customer;
}

const DEFAULT_METHOD = 'invoice_settings[default_payment_method]';

function inPath(account: Account, id: string): Customer {
  const customer = account.customers.get(id);
  if (customer === undefined || customer.deleted === true) {
    throw noSuch('customer', id, 'id', 404);
  }
  return customer;
}

export const customerRoutes: Route[] = [
  route('POST', '/v1/customers', creatable, ({ account, params, origin }) =>
    create(account, params, origin),
  ),
  route(
    'GET',
    '/v1/customers',
    { ...pagination, created: p.range(), email: p.text(), test_clock: p.absent('test clock') },
    ({ account, params }) =>
      paginate(params, {
        what: 'customer',
        url: '/v1/customers',
        all: account.customers.newestFirst(),
        matches: (customer) =>
          customer.deleted !== true &&
          (params.email === undefined || customer.email === params.email) &&
          inRange(customer.created, params.created),
      }),
  ),
  customerSearch,
  route('GET', '/v1/customers/:id', {}, ({ account, id }) => {
    const customer = account.customers.get(id);
    if (customer === undefined) {
      throw noSuch('customer', id, 'id', 404);
    }
    return customer;
  }),
  route(
    'POST',
    '/v1/customers/:id',
    { ...changeable, default_source: p.unmodelled() },
    ({ account, id, params, origin }) => {
      const customer = inPath(account, id);
      const wanted = params.invoice_settings?.default_payment_method;
      if (typeof wanted === 'string') {
        attachedPaymentMethod(account, wanted, { customer: id, param: DEFAULT_METHOD });
      }
      changeCustomer(account, customer, applied(customer, params), origin);
      return customer;
    },
  ),
  route('DELETE', '/v1/customers/:id', {}, ({ account, id, origin }) => {
    const customer = inPath(account, id);
    const deleted = { id, object: 'customer', deleted: true } as const;
    account.customers.set(id, deleted);
    account.emit('customer.deleted', customer, origin);
    return deleted;
  }),
];
