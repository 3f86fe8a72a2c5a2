import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Stripe } from 'stripe';
import { eventually } from '../support/service-process.js';
import {
  startStripeDouble,
  type StripeDouble,
  type StripeDoubleOptions,
} from '../support/stripe-double/stripe-double.js';

// Aim: the official package cannot tell the double from Stripe where Meterline depends on Stripe.
// Method: the package itself, unmodified, against a double in this process; raw HTTP where it would
// not send what is refused; the same double as a program of its own for its state file and signals.

const KEY = 'sk_test_x';

let double: StripeDouble;
let stripe: Stripe;

beforeEach(async () => {
  await use({});
});
afterEach(async () => {
  await double.close();
});

async function use(options: StripeDoubleOptions): Promise<void> {
  await (double as StripeDouble | undefined)?.close();
  double = await startStripeDouble(options);
  stripe = client(double.address);
}

function client(
  address: { host: string; port: number; protocol: 'http' },
  maxNetworkRetries = 0,
): Stripe {
  return new Stripe(KEY, { ...address, maxNetworkRetries, telemetry: false });
}

async function failure(
  call: Promise<unknown>,
): Promise<InstanceType<typeof Stripe.errors.StripeError>> {
  const error: unknown = await call.then(
    () => new Error('It was expected to fail.'),
    (reason: unknown) => reason,
  );
  if (error instanceof Stripe.errors.StripeError) {
    return error;
  }
  throw error;
}

async function payer(): Promise<Stripe.Customer> {
  return await stripe.customers.create({
    name: 'Acme',
    payment_method: 'pm_card_visa',
    invoice_settings: { default_payment_method: 'pm_card_visa' },
  });
}

async function draft(
  customer: string,
  params: Stripe.InvoiceCreateParams = {},
): Promise<Stripe.Invoice> {
  return await stripe.invoices.create({ customer, currency: 'usd', ...params });
}

async function item(
  customer: string,
  params: Stripe.InvoiceItemCreateParams = {},
  options: Stripe.RequestOptions = {},
): Promise<Stripe.Response<Stripe.InvoiceItem>> {
  return await stripe.invoiceItems.create(
    { customer, currency: 'usd', amount: 1500, ...params },
    options,
  );
}

async function openInvoice(customer: string, amount = 1500): Promise<Stripe.Invoice> {
  const invoice = await draft(customer);
  await item(customer, { invoice: invoice.id, amount });
  return await stripe.invoices.finalizeInvoice(invoice.id);
}

async function raw(
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: Headers; error: Record<string, unknown> }> {
  const response = await fetch(`${double.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${KEY}`,
      ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, headers: response.headers, error };
}

async function controlled(
  url: string,
  method: string,
  { name, body }: { name: string; body?: unknown },
): Promise<unknown> {
  const response = await fetch(`${url}/_double/${name}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return await response.json();
}

async function typesOf(): Promise<string[]> {
  const events = await stripe.events.list({ limit: 100 });
  return events.data.map(({ type }) => type).toReversed();
}

describe('authentication', () => {
  it('refuses a request without a key', async () => {
    const answer = await raw('GET', '/v1/customers', { headers: { authorization: '' } });

    expect(answer.status).toBe(401);
    expect(answer.error).toMatchObject({ type: 'invalid_request_error' });
    expect(answer.headers.get('request-id')).toMatch(/^req_/);
  });

  it('refuses a key of live mode and hides most of it', async () => {
    const live = new Stripe('sk_live_abcdefghijkl', { ...double.address, telemetry: false });
    const error = await failure(live.customers.list());

    expect(error).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
    expect(error.message).toMatch(/^Invalid API Key provided: sk_live_\*+ijkl$/);
  });

  it('accepts a restricted key, and a key as the user name of Basic', async () => {
    const restricted = new Stripe('rk_test_y', { ...double.address, telemetry: false });
    const basic = await fetch(`${double.url}/v1/events`, {
      headers: { authorization: `Basic ${Buffer.from(`${KEY}:`).toString('base64')}` },
    });

    expect((await restricted.customers.list()).data).toEqual([]);
    expect(basic.status).toBe(200);
  });

  it('refuses a version whose shapes it does not speak', async () => {
    const error = await failure(stripe.customers.list({}, { apiVersion: '2024-06-20' }));

    expect(error.message).toContain('Invalid Stripe API version: 2024-06-20');
  });

  it('answers an unknown route as Stripe does', async () => {
    const error = await failure(stripe.subscriptions.list());

    expect(error.statusCode).toBe(404);
    expect(error.message).toContain('Unrecognized request URL (GET: /v1/subscriptions)');
  });
});

describe('parameters', () => {
  it('names a parameter it does not know', async () => {
    const error = await failure(stripe.customers.create({ emial: 'a@b.c' } as object));

    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({
      statusCode: 400,
      code: 'parameter_unknown',
      param: 'emial',
      message: 'Received unknown parameter: emial',
      doc_url: 'https://stripe.com/docs/error-codes/parameter-unknown',
    });
  });

  it('names several unknown parameters, also nested ones', async () => {
    const several = await raw('POST', '/v1/customers', { body: 'a=1&b=2' });
    const nested = await raw('POST', '/v1/customers', { body: 'invoice_settings[x]=1' });

    expect(several.error['message']).toBe('Received unknown parameters: a, b');
    expect(nested.error['param']).toBe('invoice_settings[x]');
  });

  it.each([
    ['amount=10.5&currency=usd', 'parameter_invalid_integer', 'amount'],
    ['amount=abc&currency=usd', 'parameter_invalid_integer', 'amount'],
    ['amount=100000000&currency=usd', 'amount_too_large', 'amount'],
    ['amount=-100000000&currency=usd', 'amount_too_small', 'amount'],
    ['amount=&currency=usd', 'parameter_invalid_empty', 'amount'],
    ['amount=1', 'parameter_missing', 'currency'],
    ['currency=usd', 'parameter_missing', 'amount'],
    ['amount=1&currency=xxx', undefined, 'currency'],
    ['amount=1&currency=usd&discountable=yes', undefined, 'discountable'],
    ['amount=1&currency=usd&period[start]=1', 'parameter_missing', 'period[end]'],
    ['amount=1&currency=usd&period[start]=2&period[end]=1', undefined, 'period[end]'],
    ['amount=1&currency=usd&period=1', undefined, 'period'],
    ['amount=1&currency=usd&quantity=2', undefined, 'amount'],
    ['amount=1&unit_amount_decimal=2&currency=usd', undefined, 'amount'],
    ['unit_amount_decimal=0.0000000000001&currency=usd', undefined, 'unit_amount_decimal'],
    ['unit_amount_decimal=1&quantity_decimal=-1&currency=usd', undefined, 'quantity_decimal'],
    ['unit_amount_decimal=99999999&quantity=2&currency=usd', 'amount_too_large', 'amount'],
    ['amount=1&currency=usd&pricing[price]=price_1', 'resource_missing', 'pricing[price]'],
    ['amount=1&currency=usd&subscription=sub_1', 'resource_missing', 'subscription'],
    ['amount=1&currency=usd&expand=customer', undefined, 'expand'],
  ])('refuses an invoice item of %s', async (body, code, param) => {
    const { id } = await stripe.customers.create();
    const answer = await raw('POST', '/v1/invoiceitems', { body: `customer=${id}&${body}` });

    expect(answer.status).toBe(400);
    expect(answer.error['code']).toBe(code);
    expect(answer.error['param']).toBe(param);
    expect((await stripe.invoiceItems.list()).data).toEqual([]);
  });

  it('lists what an enumeration allows', async () => {
    const error = await failure(stripe.invoices.list({ status: 'closed' }));

    expect(error.message).toBe(
      'Invalid status: must be one of draft, open, void, paid, or uncollectible',
    );
  });

  it('refuses a body that is not a form', async () => {
    const answer = await raw('POST', '/v1/customers', {
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });

    expect(answer.error['message']).toContain('application/x-www-form-urlencoded');
  });

  it('refuses what Stripe would act on and it would not', async () => {
    const error = await failure(
      stripe.customers.create({ tax_id_data: [{ type: 'eu_vat', value: 'DE123456789' }] }),
    );

    expect(error.message).toContain("does not model the parameter 'tax_id_data'");
  });

  it('keeps 50 keys of metadata with 40 and 500 characters, and refuses more', async () => {
    const entry = (index: number): [string, string] => [
      `${'k'.repeat(38)}${String(index).padStart(2, '0')}`,
      '😀'.repeat(500),
    ];
    const full = Object.fromEntries(Array.from({ length: 50 }, (_, index) => entry(index)));
    const customer = await stripe.customers.create({ metadata: full });
    const refusals = [
      await failure(stripe.customers.update(customer.id, { metadata: { extra: '1' } })),
      await failure(stripe.customers.create({ metadata: { ['k'.repeat(41)]: '1' } })),
      await failure(stripe.customers.create({ metadata: { a: 'v'.repeat(501) } })),
    ];

    expect(customer.metadata).toEqual(full);
    expect(refusals.map(({ statusCode }) => statusCode)).toEqual([400, 400, 400]);
  });

  it('merges metadata, unsets one key with an empty value and all with none', async () => {
    const { id } = await stripe.customers.create({ metadata: { a: '1', b: '2' } });
    const merged = await stripe.customers.update(id, { metadata: { b: null, c: 3 } });
    const cleared = await stripe.customers.update(id, { metadata: '' });

    expect(merged.metadata).toEqual({ a: '1', c: '3' });
    expect(cleared.metadata).toEqual({});
  });
});

describe('customers', () => {
  it('creates, reads, changes and deletes one', async () => {
    const created = await stripe.customers.create({
      email: 'a@example.com',
      address: { country: 'DE' },
    });
    const changed = await stripe.customers.update(created.id, { name: 'Acme', email: '' });
    const deleted = await stripe.customers.del(created.id);
    const read = await stripe.customers.retrieve(created.id);

    expect(created).toMatchObject({
      object: 'customer',
      email: 'a@example.com',
      livemode: false,
      balance: 0,
      address: { country: 'DE', city: null },
    });
    expect(created.id).toMatch(/^cus_\w{14}$/);
    expect(changed).toMatchObject({ name: 'Acme', email: null });
    expect(deleted).toEqual({ id: created.id, object: 'customer', deleted: true });
    expect(read).toEqual({ id: created.id, object: 'customer', deleted: true });
    expect((await stripe.customers.list()).data).toEqual([]);
  });

  it('answers 404 for one that never was', async () => {
    expect(await failure(stripe.customers.retrieve('cus_none'))).toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
      message: "No such customer: 'cus_none'",
    });
  });

  it('makes a payment method of a test card and takes it as the default', async () => {
    const customer = await payer();
    const id = customer.invoice_settings.default_payment_method as string;
    const method = await stripe.paymentMethods.retrieve(id);
    const other = await stripe.customers.create();
    const attached = await stripe.paymentMethods.attach('pm_card_mastercard', {
      customer: other.id,
    });

    expect(id).toMatch(/^pm_1/);
    expect(method).toMatchObject({ customer: customer.id, card: { last4: '4242' } });
    expect(attached).toMatchObject({ customer: other.id, card: { brand: 'mastercard' } });
  });

  it('refuses a default payment method that is not attached', async () => {
    const { id } = await stripe.customers.create();
    const change = stripe.customers.update(id, {
      invoice_settings: { default_payment_method: 'pm_card_visa' },
    });

    expect(await failure(change)).toMatchObject({
      code: 'resource_missing',
      param: 'invoice_settings[default_payment_method]',
    });
  });
});

describe('invoice items', () => {
  it('creates a pending one in the shape of the package', async () => {
    const { id } = await stripe.customers.create();
    const created = await item(id, {
      amount: -250,
      description: 'Credit',
      metadata: { charge_id: '7' },
      period: { start: 1_767_225_600, end: 1_769_904_000 },
    });

    expect(created).toMatchObject({
      object: 'invoiceitem',
      amount: -250,
      currency: 'usd',
      customer: id,
      discountable: false,
      invoice: null,
      livemode: false,
      metadata: { charge_id: '7' },
      period: { start: 1_767_225_600, end: 1_769_904_000 },
      quantity: 1,
    });
    expect(created.id).toMatch(/^ii_1\w{23}$/);
    expect(created.quantity_decimal.toString()).toBe('1');
    expect(created.pricing?.unit_amount_decimal?.toString()).toBe('-250');
  });

  it('rounds unit amount times quantity once, half up', async () => {
    const { id } = await stripe.customers.create();
    const created = await stripe.invoiceItems.create({
      customer: id,
      currency: 'usd',
      unit_amount_decimal: Stripe.Decimal.from('0.125'),
      quantity_decimal: Stripe.Decimal.from('12.4'),
    });

    expect(created.amount).toBe(2);
    expect(created.quantity).toBe(12);
    expect(created.quantity_decimal.toString()).toBe('12.4');
  });

  it('filters by customer, invoice and pending', async () => {
    const [one, two] = [await stripe.customers.create(), await stripe.customers.create()];
    const invoice = await draft(one.id);
    const attached = await item(one.id, { invoice: invoice.id });
    const pending = await item(one.id);
    await item(two.id);
    const idsOf = async (params: Stripe.InvoiceItemListParams): Promise<string[]> =>
      (await stripe.invoiceItems.list(params)).data.map(({ id }) => id);

    expect(await idsOf({ customer: one.id })).toEqual([pending.id, attached.id]);
    expect(await idsOf({ customer: one.id, pending: true })).toEqual([pending.id]);
    expect(await idsOf({ customer: one.id, pending: false })).toEqual([attached.id]);
    expect(await idsOf({ invoice: invoice.id })).toEqual([attached.id]);
    expect(await failure(stripe.invoiceItems.list({ customer: 'cus_none' }))).toMatchObject({
      statusCode: 400,
      code: 'resource_missing',
    });
  });

  it('changes and deletes one while its invoice is a draft, and moves the total', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await draft(id);
    const one = await item(id, { invoice: invoice.id });
    await item(id, { invoice: invoice.id, amount: 500 });
    await stripe.invoiceItems.update(one.id, { amount: 100, description: 'Less' });
    const afterChange = await stripe.invoices.retrieve(invoice.id);
    const deleted = await stripe.invoiceItems.del(one.id);
    const afterDeletion = await stripe.invoices.retrieve(invoice.id);

    expect(afterChange.total).toBe(600);
    expect(deleted).toEqual({ id: one.id, object: 'invoiceitem', deleted: true });
    expect(afterDeletion.total).toBe(500);
    expect(await failure(stripe.invoiceItems.retrieve(one.id))).toMatchObject({ statusCode: 404 });
  });

  it('refuses any change on a finalized invoice', async () => {
    const customer = await payer();
    const invoice = await draft(customer.id);
    const frozen = await item(customer.id, { invoice: invoice.id });
    await stripe.invoices.finalizeInvoice(invoice.id);
    const refusals = [
      await failure(item(customer.id, { invoice: invoice.id })),
      await failure(stripe.invoices.addLines(invoice.id, { lines: [{ amount: 1 }] })),
      await failure(stripe.invoiceItems.update(frozen.id, { amount: 1 })),
      await failure(stripe.invoiceItems.del(frozen.id)),
    ];

    for (const error of refusals) {
      expect(error).toMatchObject({ statusCode: 400, code: 'invoice_not_editable' });
    }
    expect((await stripe.invoices.retrieve(invoice.id)).total).toBe(1500);
  });

  it('refuses another customer, another currency and a missing invoice', async () => {
    const [one, two] = [await stripe.customers.create(), await stripe.customers.create()];
    const invoice = await draft(one.id);

    expect((await failure(item(two.id, { invoice: invoice.id }))).param).toBe('invoice');
    expect((await failure(item(one.id, { invoice: invoice.id, currency: 'eur' }))).message).toBe(
      'You cannot combine currencies on a single invoice. This invoice has invoice items currency ' +
        'eur that conflicts with the invoice currency usd.',
    );
    expect(await failure(item(one.id, { invoice: 'in_none' }))).toMatchObject({
      statusCode: 400,
      code: 'resource_missing',
    });
    expect(await failure(item('cus_none'))).toMatchObject({ param: 'customer' });
    expect((await stripe.invoiceItems.list()).data).toEqual([]);
  });
});

describe('invoices', () => {
  it('goes from draft over open to paid', async () => {
    const customer = await payer();
    const created = await draft(customer.id, {
      metadata: { period: '2026-01' },
      auto_advance: true,
    });
    await item(customer.id, { invoice: created.id, amount: 2000, metadata: { charge_id: '1' } });
    await item(customer.id, { invoice: created.id, amount: -500 });
    const open = await stripe.invoices.finalizeInvoice(created.id);
    const paid = await stripe.invoices.pay(created.id);

    expect(created).toMatchObject({
      object: 'invoice',
      status: 'draft',
      number: null,
      total: 0,
      automatically_finalizes_at: created.created + 3600,
      billing_reason: 'manual',
      collection_method: 'charge_automatically',
    });
    expect(open).toMatchObject({
      status: 'open',
      amount_due: 1500,
      amount_remaining: 1500,
      number: `${customer.invoice_prefix}-0001`,
      automatically_finalizes_at: null,
      attempted: false,
    });
    expect(open.hosted_invoice_url).toMatch(/^https:\/\/invoice\.stripe\.com\/i\/acct_/);
    expect(open.lines.data.map(({ amount, metadata }) => [amount, metadata])).toEqual([
      [2000, { charge_id: '1' }],
      [-500, {}],
    ]);
    expect(paid).toMatchObject({
      status: 'paid',
      amount_paid: 1500,
      amount_remaining: 0,
      attempt_count: 1,
      attempted: true,
    });
    expect(paid.status_transitions.finalized_at).not.toBeNull();
    expect(paid.status_transitions.paid_at).not.toBeNull();
    expect(await typesOf()).toEqual([
      'payment_method.attached',
      'customer.created',
      'invoice.created',
      'invoiceitem.created',
      'invoice.updated',
      'invoiceitem.created',
      'invoice.updated',
      'invoice.finalized',
      'invoice.updated',
      'invoice.paid',
      'invoice.payment_succeeded',
    ]);
  });

  it('finalizes a draft that is paid', async () => {
    const customer = await payer();
    const invoice = await draft(customer.id);
    await item(customer.id, { invoice: invoice.id });

    expect(await stripe.invoices.pay(invoice.id)).toMatchObject({ status: 'paid', total: 1500 });
  });

  it('is paid at once when nothing is due', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await draft(id);

    expect(await stripe.invoices.finalizeInvoice(invoice.id)).toMatchObject({
      status: 'paid',
      attempted: true,
      attempt_count: 0,
    });
  });

  it('leaves a credit and a debit too small to charge on the balance of the customer', async () => {
    const customer = await payer();
    const credit = await openInvoice(customer.id, -1000);
    const afterCredit = await stripe.customers.retrieve(customer.id);
    const reduced = await openInvoice(customer.id, 1020);
    const afterDebit = await stripe.customers.retrieve(customer.id);

    expect(credit).toMatchObject({ status: 'paid', amount_due: 0, ending_balance: -1000 });
    expect(afterCredit).toMatchObject({ balance: -1000 });
    expect(reduced).toMatchObject({
      status: 'paid',
      total: 1020,
      starting_balance: -1000,
      amount_due: 0,
      ending_balance: 20,
    });
    expect(afterDebit).toMatchObject({ balance: 20 });
  });

  it('stays open when the card is declined', async () => {
    const customer = await stripe.customers.create({
      payment_method: 'pm_card_chargeCustomerFail',
      invoice_settings: { default_payment_method: 'pm_card_chargeCustomerFail' },
    });
    const invoice = await openInvoice(customer.id);
    const error = await failure(stripe.invoices.pay(invoice.id));

    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
    expect(error).toMatchObject({
      statusCode: 402,
      code: 'card_declined',
      decline_code: 'generic_decline',
    });
    expect(await stripe.invoices.retrieve(invoice.id)).toMatchObject({
      status: 'open',
      attempted: true,
      attempt_count: 1,
      amount_remaining: 1500,
    });
    expect((await typesOf()).at(-1)).toBe('invoice.payment_failed');
  });

  it('cannot be paid without a payment method but out of band', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await openInvoice(id);

    expect((await failure(stripe.invoices.pay(invoice.id))).message).toContain(
      'There is no `default_payment_method` set',
    );
    expect(await stripe.invoices.pay(invoice.id, { paid_out_of_band: true })).toMatchObject({
      status: 'paid',
      attempted: false,
    });
  });

  it('allows exactly the moves of its life', async () => {
    const customer = await payer();
    const moves = {
      finalize: async (id: string) => await stripe.invoices.finalizeInvoice(id),
      pay: async (id: string) => await stripe.invoices.pay(id),
      void: async (id: string) => await stripe.invoices.voidInvoice(id),
      uncollectible: async (id: string) => await stripe.invoices.markUncollectible(id),
      delete: async (id: string) => await stripe.invoices.del(id),
    };
    type Move = keyof typeof moves;
    const ways: Record<string, Move[]> = {
      draft: [],
      open: ['finalize'],
      paid: ['finalize', 'pay'],
      void: ['finalize', 'void'],
      uncollectible: ['finalize', 'uncollectible'],
    };
    const allowed: Record<string, Move[]> = {};
    for (const [status, way] of Object.entries(ways)) {
      allowed[status] = [];
      for (const move of Object.keys(moves) as Move[]) {
        const invoice = await draft(customer.id);
        await item(customer.id, { invoice: invoice.id });
        for (const step of way) {
          await moves[step](invoice.id);
        }
        const moved = await moves[move](invoice.id).then(
          () => true,
          () => false,
        );
        allowed[status].push(...(moved ? [move] : []));
      }
    }

    expect(allowed).toEqual({
      draft: ['finalize', 'pay', 'delete'],
      open: ['pay', 'void', 'uncollectible'],
      paid: [],
      void: [],
      uncollectible: ['pay', 'void'],
    });
  });

  it('is gone after a draft is deleted, with its items', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await draft(id);
    const attached = await item(id, { invoice: invoice.id });
    const deleted = await stripe.invoices.del(invoice.id);

    expect(deleted).toEqual({ id: invoice.id, object: 'invoice', deleted: true });
    expect(await failure(stripe.invoices.retrieve(invoice.id))).toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
      message: `No such invoice: '${invoice.id}'`,
    });
    expect(await failure(stripe.invoiceItems.retrieve(attached.id))).toMatchObject({
      statusCode: 404,
    });
    expect((await typesOf()).at(-1)).toBe('invoice.deleted');
  });

  it('changes a draft freely and of a finalized invoice only a little', async () => {
    const customer = await payer();
    const invoice = await draft(customer.id);
    await item(customer.id, { invoice: invoice.id });
    const changed = await stripe.invoices.update(invoice.id, { description: 'Usage', footer: 'F' });
    await stripe.invoices.finalizeInvoice(invoice.id);
    const marked = await stripe.invoices.update(invoice.id, { metadata: { seen: 'yes' } });

    expect(changed).toMatchObject({ description: 'Usage', footer: 'F' });
    expect(marked.metadata).toEqual({ seen: 'yes' });
    expect(await failure(stripe.invoices.update(invoice.id, { description: 'No' }))).toMatchObject({
      message: "Finalized invoices can't be updated in this way",
      param: 'description',
    });
  });

  it('needs a due date to be sent, and takes none to be charged', async () => {
    const { id } = await stripe.customers.create();
    const sent = await draft(id, { collection_method: 'send_invoice', days_until_due: 30 });

    expect(sent.due_date).toBe(sent.created + 30 * 86_400);
    expect((await failure(draft(id, { collection_method: 'send_invoice' }))).message).toContain(
      "you must specify 'due_date' or 'days_until_due'",
    );
    expect((await failure(draft(id, { days_until_due: 30 }))).message).toContain(
      "if invoice collection method is 'send_invoice'",
    );
    expect(await stripe.invoices.sendInvoice(sent.id)).toMatchObject({ status: 'paid' });
  });

  it('takes pending items only when told to, newest first, and only of its currency', async () => {
    const { id } = await stripe.customers.create();
    const first = await item(id, { amount: 100 });
    const second = await item(id, { amount: 200 });
    const euro = await item(id, { currency: 'eur', amount: 400 });
    const excluding = await draft(id);
    const including = await draft(id, { pending_invoice_items_behavior: 'include' });

    expect(excluding.lines.data).toEqual([]);
    expect(
      including.lines.data.map(({ parent }) => parent?.invoice_item_details?.invoice_item),
    ).toEqual([second.id, first.id]);
    expect(including.total).toBe(300);
    expect((await stripe.invoiceItems.list({ pending: true })).data).toMatchObject([
      { id: euro.id },
    ]);
  });

  it('adds lines of its own and pending items in one call, or none of them', async () => {
    const { id } = await stripe.customers.create();
    const pending = await item(id, { amount: 700 });
    const invoice = await draft(id);
    const changed = await stripe.invoices.addLines(invoice.id, {
      lines: [{ amount: 300, metadata: { charge_id: '1' } }, { invoice_item: pending.id }],
    });
    const halfWrong = stripe.invoices.addLines(invoice.id, {
      lines: [{ amount: 300 }, { invoice_item: pending.id }],
    });

    expect(changed.total).toBe(1000);
    expect(changed.lines.data.map(({ metadata }) => metadata)).toEqual([{ charge_id: '1' }, {}]);
    expect((await failure(halfWrong)).param).toBe('lines[1][invoice_item]');
    expect((await stripe.invoices.retrieve(invoice.id)).total).toBe(1000);
  });

  it('takes 250 items and pages its lines in their order', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await draft(id);
    const amounts = Array.from({ length: 250 }, (_, index) => index + 1);
    const full = await stripe.invoices.addLines(invoice.id, {
      lines: amounts.map((amount) => ({ amount })),
    });
    const lines = await stripe.invoices
      .listLineItems(invoice.id, { limit: 100 })
      .autoPagingToArray({ limit: 1000 });

    expect(full.lines).toMatchObject({ has_more: true });
    expect(full.lines.data).toHaveLength(10);
    expect(lines.map(({ amount }) => amount)).toEqual(amounts);
    expect((await failure(item(id, { invoice: invoice.id }))).message).toContain('up to 250');
  });

  it('is finalized and charged by time only when told to', async () => {
    const customer = await payer();
    const automatic = await draft(customer.id, { auto_advance: true });
    await item(customer.id, { invoice: automatic.id });
    const manual = await draft(customer.id);
    const moved = await double.advance();

    expect(moved).toEqual([automatic.id]);
    expect(await stripe.invoices.retrieve(automatic.id)).toMatchObject({ status: 'paid' });
    expect(await stripe.invoices.retrieve(manual.id)).toMatchObject({ status: 'draft' });
  });

  it('expands references and refuses what is none', async () => {
    const customer = await payer();
    const invoice = await draft(customer.id);
    const expanded = await stripe.invoices.retrieve(invoice.id, {
      expand: ['customer.invoice_settings.default_payment_method'],
    });
    const listed = await stripe.invoices.list({ expand: ['data.customer'] });

    expect(expanded.customer).toMatchObject({
      id: customer.id,
      invoice_settings: { default_payment_method: { card: { last4: '4242' } } },
    });
    expect(listed.data[0]?.customer).toMatchObject({ id: customer.id });
    expect((await failure(stripe.invoices.list({ expand: ['customer'] }))).message).toBe(
      'This property cannot be expanded (customer).',
    );
    await failure(stripe.customers.create({ expand: ['metadata'] }));
    expect((await stripe.customers.list()).data).toHaveLength(1);
  });
});

describe('subscriptions', () => {
  const HOUR_MS = 3_600_000;
  const at = (text: string): Date => new Date(text);
  let now: Date;

  beforeEach(async () => {
    now = at('2026-11-01T00:00:00Z');
    await use({ clock: () => now.getTime() });
  });

  async function subscribed(): Promise<string> {
    const { id } = await double.subscribe({
      customer: (await payer()).id,
      currency: 'usd',
      amount: 2_000,
      start: now,
      end: at('2026-12-01T00:00:00Z'),
    });
    return id;
  }

  async function renewed(subscription: string): Promise<Stripe.Invoice> {
    now = at('2026-12-01T00:00:00Z');
    const id = await double.renew(subscription, at('2027-01-01T00:00:00Z'));
    return await stripe.invoices.retrieve(id);
  }

  it('begin with an invoice that is final at once', async () => {
    const id = await subscribed();
    const { data } = await stripe.invoices.list({ subscription: id });
    expect(data).toMatchObject([
      { billing_reason: 'subscription_create', status: 'open', total: 2_000 },
    ]);
    const { items, ...subscription } = await stripe.subscriptions.retrieve(id);
    expect(subscription).toMatchObject({ status: 'active', currency: 'usd' });
    expect(items.data[0]?.current_period_end).toBe(at('2026-12-01T00:00:00Z').getTime() / 1_000);
  });

  it('renew with a draft for the period that is over, which takes items and cannot be deleted', async () => {
    const id = await subscribed();
    const invoice = await renewed(id);
    expect(invoice).toMatchObject({
      billing_reason: 'subscription_cycle',
      status: 'draft',
      period_start: at('2026-11-01T00:00:00Z').getTime() / 1_000,
      period_end: now.getTime() / 1_000,
      parent: { subscription_details: { subscription: id } },
    });
    const customer = invoice.customer as string;
    await stripe.invoiceItems.create({
      customer,
      invoice: invoice.id,
      amount: 300,
      currency: 'usd',
    });
    expect(await stripe.invoices.retrieve(invoice.id)).toMatchObject({ total: 2_300 });
    expect(await failure(stripe.invoices.del(invoice.id))).toMatchObject({ statusCode: 400 });
  });

  it('have it finalized an hour after its webhook was answered, and charged', async () => {
    const invoice = await renewed(await subscribed());
    now = new Date(now.getTime() + HOUR_MS - 1_000);
    expect(await double.finalizeDue()).toEqual([]);
    now = new Date(now.getTime() + 1_000);
    expect(await double.finalizeDue()).toEqual([invoice.id]);
    expect(await stripe.invoices.retrieve(invoice.id)).toMatchObject({ status: 'paid' });
    const late = stripe.invoiceItems.create({
      customer: invoice.customer as string,
      invoice: invoice.id,
      amount: 1,
      currency: 'usd',
    });
    expect(await failure(late)).toMatchObject({ code: 'invoice_not_editable' });
  });

  it('have it finalized after 72 hours when no webhook was answered', async () => {
    double.webhooks({ url: 'http://127.0.0.1:9/', mode: 'hold' });
    const invoice = await renewed(await subscribed());
    now = new Date(now.getTime() + 71 * HOUR_MS);
    expect(await double.finalizeDue()).toEqual([]);
    now = new Date(now.getTime() + HOUR_MS);
    expect(await double.finalizeDue()).toEqual([invoice.id]);
  });

  it('end, and are told apart from those that are not there', async () => {
    const id = await subscribed();
    await double.cancelSubscription(id);
    expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: 'canceled' });
    for (const call of [
      stripe.subscriptions.retrieve('sub_x'),
      stripe.invoices.list({ subscription: 'sub_x' }),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'resource_missing' });
    }
  });
});

describe('lists', () => {
  it('pages newest first with cursors in both directions', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const ids: string[] = [];
    for (const name of names) {
      ids.push((await stripe.customers.create({ name })).id);
    }
    const newestFirst = ids.toReversed();
    const all = await stripe.customers.list({ limit: 2 }).autoPagingToArray({ limit: 100 });
    const oldestFirst = await stripe.customers
      .list({ limit: 2, ending_before: ids[1]! })
      .autoPagingToArray({ limit: 100 });
    const page = await stripe.customers.list({ limit: 2, starting_after: newestFirst[0]! });

    expect(all.map(({ id }) => id)).toEqual(newestFirst);
    expect(oldestFirst.map(({ id }) => id)).toEqual(ids.slice(2));
    expect(page.has_more).toBe(true);
    expect(page.data.map(({ id }) => id)).toEqual(newestFirst.slice(1, 3));
  });

  it('filters by e-mail and time', async () => {
    let now = 1_767_225_600_000;
    await use({ clock: () => now });
    await stripe.customers.create({ email: 'old@example.com' });
    now += 60_000;
    await stripe.customers.create({ email: 'new@example.com' });

    expect((await stripe.customers.list({ email: 'old@example.com' })).data).toHaveLength(1);
    expect((await stripe.customers.list({ created: { gt: 1_767_225_600 } })).data).toMatchObject([
      { email: 'new@example.com' },
    ]);
    expect((await stripe.customers.list({ created: 1_767_225_600 })).data).toHaveLength(1);
  });

  it('refuses a cursor it does not know, both cursors, and a limit out of 1 to 100', async () => {
    expect(await failure(stripe.customers.list({ starting_after: 'cus_none' }))).toMatchObject({
      statusCode: 400,
      code: 'resource_missing',
      param: 'starting_after',
    });
    expect(
      await failure(stripe.customers.list({ starting_after: 'x', ending_before: 'y' })),
    ).toMatchObject({ param: 'ending_before' });
    expect((await failure(stripe.customers.list({ limit: 0 }))).message).toBe(
      'This value must be greater than or equal to 1.',
    );
    expect((await failure(stripe.customers.list({ limit: 101 }))).message).toBe(
      "This value must be less than or equal to 100 (it currently is '101').",
    );
  });
});

describe('idempotency', () => {
  it('replays the first answer of a key and does nothing again', async () => {
    const { id } = await stripe.customers.create();
    const first = await item(id, {}, { idempotencyKey: 'k1' });
    const second = await stripe.invoiceItems.create(
      { amount: 1500, customer: id, currency: 'usd' },
      { idempotencyKey: 'k1' },
    );

    expect(second).toEqual(first);
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined();
    expect(second.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(second.lastResponse.headers['original-request']).toBe(first.lastResponse.requestId);
    expect((await stripe.invoiceItems.list()).data).toHaveLength(1);
    expect(double.requests().map(({ replayed }) => replayed)).toEqual([false, false, true, false]);
  });

  it('refuses a key with other parameters or for another endpoint', async () => {
    const { id } = await stripe.customers.create({}, { idempotencyKey: 'k0' });
    await item(id, {}, { idempotencyKey: 'k1' });
    const parameters = await failure(item(id, { amount: 2 }, { idempotencyKey: 'k1' }));
    const endpoint = await failure(item(id, {}, { idempotencyKey: 'k0' }));

    expect(parameters).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(parameters.message).toContain('the same parameters');
    expect(endpoint).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(endpoint.message).toContain('the same endpoint');
  });

  it('replays a refusal of execution, not one of validation', async () => {
    const { id } = await stripe.customers.create();
    const invoice = await draft(id);
    await stripe.invoices.voidInvoice(invoice.id, {}, { idempotencyKey: 'v' }).catch(() => 0);
    await stripe.invoices.finalizeInvoice(invoice.id);
    const executed = await failure(
      stripe.invoices.voidInvoice(invoice.id, {}, { idempotencyKey: 'v' }),
    );
    const invalid = { customer: id, currency: 'usd', amount: 1.5 };
    await failure(stripe.invoiceItems.create(invalid, { idempotencyKey: 'p' }));
    const corrected = await item(id, { amount: 1 }, { idempotencyKey: 'p' });

    expect(executed.message).toContain("isn't open");
    expect(executed.headers?.['idempotent-replayed']).toBe('true');
    expect(executed.headers?.['stripe-should-retry']).toBe('false');
    expect(corrected.lastResponse.headers['idempotent-replayed']).toBeUndefined();
  });

  it('answers 409 while the first request of a key is under way', async () => {
    const { id } = await stripe.customers.create();
    double.orderFault({ kind: 'slow', delayMs: 1_000, path: 'invoiceitems' });
    const first = item(id, {}, { idempotencyKey: 'k1' });
    await untilSeen(2);
    const error = await failure(item(id, {}, { idempotencyKey: 'k1' }));

    expect(error).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    expect((await first).amount).toBe(1500);
  });

  it('makes a second object when keys have expired', async () => {
    const { id } = await stripe.customers.create();
    const first = await item(id, {}, { idempotencyKey: 'k1' });
    await double.expireIdempotencyKeys();
    const second = await item(id, {}, { idempotencyKey: 'k1' });

    expect(second.id).not.toBe(first.id);
  });

  it('has no effect on reads and deletions', async () => {
    const { id } = await stripe.customers.create({ name: 'Old' });
    await stripe.customers.retrieve(id, {}, { idempotencyKey: 'k' });
    await stripe.customers.update(id, { name: 'New' });
    const read = await stripe.customers.retrieve(id, {}, { idempotencyKey: 'k' });
    await stripe.customers.del(id, {}, { idempotencyKey: 'd' });

    expect(read).toMatchObject({ name: 'New' });
    expect(await failure(stripe.customers.del(id, {}, { idempotencyKey: 'd' }))).toMatchObject({
      statusCode: 404,
    });
  });
});

async function untilSeen(count: number): Promise<void> {
  while (double.requests().length < count) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('faults', () => {
  let customer: string;

  beforeEach(async () => {
    customer = (await stripe.customers.create()).id;
  });

  async function pendingItems(): Promise<number> {
    return (await stripe.invoiceItems.list({ customer })).data.length;
  }

  it('drop_before does nothing and closes the connection', async () => {
    double.orderFault({
      kind: 'drop_before',
      method: 'POST',
      path: '^/v1/invoiceitems$',
      times: 2,
    });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(await pendingItems()).toBe(0);
    expect((await item(customer, {}, { idempotencyKey: 'k' })).amount).toBe(1500);
  });

  it('commit_then_drop does all and closes the connection', async () => {
    double.orderFault({ kind: 'commit_then_drop', path: 'invoiceitems', times: 2 });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k' }));
    const retried = await item(customer, {}, { idempotencyKey: 'k' });

    expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(retried.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(1);
    expect(double.requests().filter(({ dropped }) => dropped)).toHaveLength(2);
  });

  it('the package hides one commit_then_drop by its own retry', async () => {
    double.orderFault({ kind: 'commit_then_drop', path: 'invoiceitems' });
    const created = await item(customer);

    expect(created.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(1);
  });

  it('error_500_after_commit does all, and the 500 is replayed', async () => {
    double.orderFault({ kind: 'error_500_after_commit', path: 'invoiceitems' });
    const first = await failure(item(customer, {}, { idempotencyKey: 'k' }));
    const second = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(first).toBeInstanceOf(Stripe.errors.StripeAPIError);
    expect(first.statusCode).toBe(500);
    expect(second.statusCode).toBe(500);
    expect(second.headers?.['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(1);
  });

  it('error_500_before does nothing and may be tried again', async () => {
    double.orderFault({ kind: 'error_500_before', path: 'invoiceitems' });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(error.statusCode).toBe(500);
    expect(await pendingItems()).toBe(0);
    expect((await item(customer, {}, { idempotencyKey: 'k' })).amount).toBe(1500);
  });

  it('error_500_before, stored, is replayed though nothing was done', async () => {
    double.orderFault({ kind: 'error_500_before', stored: true, path: 'invoiceitems' });
    await failure(item(customer, {}, { idempotencyKey: 'k' }));
    const again = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(again.headers?.['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(0);
  });

  it('error_429 names its reason and is not kept', async () => {
    double.orderFault({ kind: 'error_429', path: 'invoiceitems' });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(error).toBeInstanceOf(Stripe.errors.StripeRateLimitError);
    expect(error.headers?.['stripe-rate-limited-reason']).toBe('endpoint-rate');
    expect((await item(customer, {}, { idempotencyKey: 'k' })).amount).toBe(1500);
  });

  it('error_429, stored, is frozen under its key', async () => {
    double.orderFault({ kind: 'error_429', stored: true, path: 'invoiceitems' });
    await failure(item(customer, {}, { idempotencyKey: 'k' }));
    const again = await failure(item(customer, {}, { idempotencyKey: 'k' }));

    expect(again).toMatchObject({ statusCode: 429, code: 'lock_timeout' });
    expect(again.headers?.['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(0);
  });

  it('slow after the work outlasts the client, and the answer is kept', async () => {
    double.orderFault({ kind: 'slow', delayMs: 1_500, when: 'after', path: 'invoiceitems' });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k', timeout: 500 }));
    const retried = await item(customer, {}, { idempotencyKey: 'k' });

    expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(retried.lastResponse.headers['idempotent-replayed']).toBe('true');
  });

  it('slow before the work outlasts the client, and the work is done all the same', async () => {
    double.orderFault({ kind: 'slow', delayMs: 1_500, path: 'invoiceitems' });
    const error = await failure(item(customer, {}, { idempotencyKey: 'k', timeout: 500 }));
    const early = await failure(item(customer, {}, { idempotencyKey: 'k' }));
    const locked = await failure(item(customer));
    await eventually(
      async () =>
        await Promise.resolve(double.requests().every((one) => one.status !== null || one.dropped)),
    );
    const retried = await item(customer, {}, { idempotencyKey: 'k' });

    expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(early.code).toBe('idempotency_key_in_use');
    expect(locked.code).toBe('lock_timeout');
    expect(retried.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(await pendingItems()).toBe(1);
  });

  it('strikes reads too', async () => {
    double.orderFault({ kind: 'error_500_before', method: 'GET', path: '^/v1/customers/' });

    expect((await failure(stripe.customers.retrieve(customer))).statusCode).toBe(500);
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ id: customer });
  });

  it('html_503 is no JSON', async () => {
    double.orderFault({ kind: 'html_503', path: 'invoiceitems' });
    const error = await failure(item(customer));

    expect(error).toBeInstanceOf(Stripe.errors.StripeAPIError);
    expect(error.message).toBe('Invalid JSON received from the Stripe API');
    expect(await pendingItems()).toBe(0);
  });

  it('strikes only matching requests, after those to skip, as often as ordered', async () => {
    double.orderFault({
      kind: 'error_500_before',
      method: 'POST',
      path: 'items',
      skip: 1,
      times: 2,
    });
    const answers = [
      await item(customer).then(() => 'done'),
      await failure(item(customer)).then(() => 'failed'),
      await stripe.invoiceItems.list().then(() => 'done'),
      await failure(item(customer)).then(() => 'failed'),
      await item(customer).then(() => 'done'),
    ];

    expect(answers).toEqual(['done', 'failed', 'done', 'failed', 'done']);
    expect(double.pendingFaults()).toEqual([]);
  });
});

describe('limits', () => {
  it('refuses what exceeds the rate of an endpoint, before the idempotency layer', async () => {
    let now = 1_767_225_600_000;
    await use({ clock: () => now, limits: { endpointPerSecond: 2 } });
    const { id } = await stripe.customers.create();
    await item(id);
    await item(id);
    const error = await failure(item(id, {}, { idempotencyKey: 'k' }));
    now += 1000;

    expect(error).toMatchObject({ statusCode: 429, code: 'rate_limit' });
    expect(error.headers?.['stripe-rate-limited-reason']).toBe('endpoint-rate');
    expect((await item(id, {}, { idempotencyKey: 'k' })).amount).toBe(1500);
  });

  it('locks the customer of a mutation and counts mutations at once', async () => {
    await use({ limits: { latencyMs: 40 } });
    const [one, two] = [await stripe.customers.create(), await stripe.customers.create()];
    const results = await Promise.allSettled([item(one.id), item(one.id), item(two.id)]);
    const refused = results.filter(({ status }) => status === 'rejected');

    expect(refused).toHaveLength(1);
    expect((refused[0] as PromiseRejectedResult).reason).toMatchObject({
      statusCode: 429,
      code: 'lock_timeout',
    });
    expect(double.concurrency()).toEqual({ max: 2, byObject: { [one.id]: 2, [two.id]: 1 } });

    double.resetConcurrency();
    await item(one.id);
    await item(one.id);
    expect(double.concurrency().max).toBe(1);
  });

  it('lets the package retry a lock_timeout by its header', async () => {
    await use({ limits: { latencyMs: 40 } });
    const { id } = await stripe.customers.create();
    const patient = client(double.address, 2);
    const params = { customer: id, currency: 'usd', amount: 1 };
    await Promise.all([patient.invoiceItems.create(params), patient.invoiceItems.create(params)]);

    expect((await stripe.invoiceItems.list()).data).toHaveLength(2);
    expect(double.requests().filter(({ status }) => status === 429)).toHaveLength(1);
  });

  it('keeps a lock_timeout under its key when told to', async () => {
    await use({ limits: { latencyMs: 40, keepLockTimeouts: true } });
    const { id } = await stripe.customers.create();
    const first = item(id);
    await untilSeen(2);
    await failure(item(id, {}, { idempotencyKey: 'k' }));
    await first;
    const again = await failure(item(id, {}, { idempotencyKey: 'k' }));

    expect(again).toMatchObject({ statusCode: 429, code: 'lock_timeout' });
  });
});

describe('events', () => {
  it('tell what happened, caused by which request', async () => {
    const customer = await stripe.customers.create({ name: 'Old' }, { idempotencyKey: 'k' });
    await stripe.customers.update(customer.id, { name: 'New' });
    const { data } = await stripe.events.list();

    expect(data).toHaveLength(2);
    expect(data[0]).toMatchObject({
      type: 'customer.updated',
      data: { object: { name: 'New' }, previous_attributes: { name: 'Old' } },
    });
    expect(data[1]).toMatchObject({
      object: 'event',
      type: 'customer.created',
      api_version: '2026-10-28.endive',
      livemode: false,
      pending_webhooks: 0,
      data: { object: { id: customer.id, name: 'Old' } },
      request: { id: customer.lastResponse.requestId, idempotency_key: 'k' },
    });
    expect(await stripe.events.retrieve(data[0]!.id)).toMatchObject({ id: data[0]!.id });
  });

  it('are filtered by type, types, wildcard and delivery, oldest first from a cursor', async () => {
    const { id } = await stripe.customers.create();
    const [start] = (await stripe.events.list()).data;
    const invoice = await draft(id);
    await item(id, { invoice: invoice.id });
    double.webhooks({ url: 'http://127.0.0.1:9', mode: 'hold' });
    await stripe.invoices.del(invoice.id);
    const typesIn = async (params: Stripe.EventListParams): Promise<string[]> =>
      (await stripe.events.list(params).autoPagingToArray({ limit: 100 })).map(({ type }) => type);

    expect(await typesIn({ type: 'invoice.created' })).toEqual(['invoice.created']);
    expect(await typesIn({ type: 'invoice.*' })).toEqual([
      'invoice.deleted',
      'invoice.updated',
      'invoice.created',
    ]);
    expect(await typesIn({ delivery_success: false })).toEqual(['invoice.deleted']);
    expect(
      await typesIn({
        types: ['invoice.created', 'invoice.deleted', 'invoiceitem.created'],
        ending_before: start!.id,
        limit: 1,
      }),
    ).toEqual(['invoice.created', 'invoiceitem.created', 'invoice.deleted']);
  });
});

describe('webhooks', () => {
  interface Received {
    body: string;
    signature: string;
  }
  let receiver: Server;
  let received: Received[];
  let statuses: number[];
  let url: string;

  beforeEach(async () => {
    received = [];
    statuses = [];
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.push({
          body: Buffer.concat(chunks).toString('utf8'),
          signature: String(request.headers['stripe-signature']),
        });
        response.writeHead(statuses.shift() ?? 200).end();
      });
    });
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  });
  afterEach(async () => {
    receiver.closeAllConnections();
    receiver.close();
    await once(receiver, 'close');
  });

  async function arrival(count: number): Promise<Stripe.Event[]> {
    while (received.length < count) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return received.map(({ body, signature }) =>
      stripe.webhooks.constructEvent(body, signature, 'whsec_one'),
    );
  }

  it('are signed so that the package accepts them, with every secret', async () => {
    double.webhooks({ url, secrets: ['whsec_old', 'whsec_one'] });
    const customer = await stripe.customers.create();
    const [event] = await arrival(1);
    const { body, signature } = received[0]!;

    expect(event).toMatchObject({
      type: 'customer.created',
      data: { object: { id: customer.id } },
    });
    expect(stripe.webhooks.constructEvent(body, signature, 'whsec_old').id).toBe(event!.id);
    expect(() => stripe.webhooks.constructEvent(body, signature, 'whsec_two')).toThrow(
      Stripe.errors.StripeSignatureVerificationError,
    );
    const seconds = Number(/t=(\d+)/.exec(signature)?.[1]);
    expect(signature).toContain(
      stripe.webhooks
        .generateTestHeaderString({ payload: body, secret: 'whsec_one', timestamp: seconds })
        .split(',')[1],
    );
  });

  it('mark their event as delivered', async () => {
    double.webhooks({ url, secrets: ['whsec_one'], mode: 'hold' });
    await stripe.customers.create();
    const held = (await stripe.events.list({ delivery_success: false })).data;
    const sent = await double.deliver();

    expect(held).toMatchObject([{ pending_webhooks: 1 }]);
    expect(sent).toMatchObject([{ attempt: 1, status: 200, event: held[0]!.id }]);
    expect((await stripe.events.list({ delivery_success: false })).data).toEqual([]);
  });

  it('come in order, one after another', async () => {
    double.webhooks({ url, secrets: ['whsec_one'] });
    const { id } = await stripe.customers.create();
    await draft(id);
    await item(id);
    const events = await arrival(3);

    expect(events.map(({ type }) => type)).toEqual([
      'customer.created',
      'invoice.created',
      'invoiceitem.created',
    ]);
  });

  it('come twice, late and out of order on demand', async () => {
    double.webhooks({ url, secrets: ['whsec_one'], mode: 'hold', copies: 2, shuffle: true });
    for (const name of ['a', 'b', 'c']) {
      await stripe.customers.create({ name });
    }
    expect(received).toEqual([]);
    await double.deliver();
    const names = (await arrival(6)).map(
      ({ data }) => (data.object as unknown as Stripe.Customer).name,
    );

    expect(names.map(String).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'a',
      'a',
      'b',
      'b',
      'c',
      'c',
    ]);
    expect(names).not.toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  });

  it('wait when delayed', async () => {
    double.webhooks({ url, secrets: ['whsec_one'], delayMs: 60 });
    await stripe.customers.create();
    const before = received.length;
    await arrival(1);

    expect(before).toBe(0);
  });

  it('are tried again a few times when refused', async () => {
    statuses = [500, 302];
    double.webhooks({ url, secrets: ['whsec_one'], backoffMs: 5 });
    await stripe.customers.create();
    await arrival(3);

    expect(double.deliveries().slice(0, 2)).toMatchObject([
      { attempt: 1, status: 500 },
      { attempt: 2, status: 302 },
    ]);
  });

  it('give up after the last attempt and leave the event undelivered', async () => {
    statuses = [500, 500];
    double.webhooks({ url, secrets: ['whsec_one'], backoffMs: 5, maxAttempts: 2 });
    await stripe.customers.create();
    await arrival(2);
    await double.deliver();

    expect(double.waitingWebhooks()).toBe(0);
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
  });

  it('that were not delivered are sent again after a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stripe-double-'));
    const stateFile = join(folder, 'state.json');
    const secrets = ['whsec_one'];
    await use({ stateFile, webhooks: { url, secrets, mode: 'hold' } });
    await stripe.customers.create();
    await use({ stateFile, webhooks: { url, secrets } });
    const [event] = await arrival(1);
    await double.close();
    await rm(folder, { recursive: true });

    expect(event).toMatchObject({ type: 'customer.created' });
  });

  it('can carry an old time and events of any type', async () => {
    double.webhooks({ url, secrets: ['whsec_one'], timestampOffsetSeconds: -301 });
    await double.emit('customer.subscription.updated', { id: 'sub_1', object: 'subscription' });
    while (received.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const { body, signature } = received[0]!;

    expect(() => stripe.webhooks.constructEvent(body, signature, 'whsec_one')).toThrow('Timestamp');
    expect(JSON.parse(body)).toMatchObject({ type: 'customer.subscription.updated' });
  });
});

describe('the controls over HTTP', () => {
  it('order faults, show requests and state, and change settings', async () => {
    const { url } = double;
    await controlled(url, 'POST', {
      name: 'faults',
      body: { kind: 'error_500_before', path: 'cust' },
    });
    await failure(stripe.customers.create({ name: 'A' }, { idempotencyKey: 'k' }));
    await stripe.customers.create({ name: 'B' });
    const limits = await controlled(url, 'POST', { name: 'limits', body: { latencyMs: 1 } });

    expect(await controlled(url, 'GET', { name: 'requests' })).toMatchObject([
      {
        method: 'POST',
        path: '/v1/customers',
        params: { name: 'A' },
        idempotencyKey: 'k',
        status: 500,
        replayed: false,
        fault: 'error_500_before',
      },
      { params: { name: 'B' }, status: 200, fault: null },
    ]);
    expect(await controlled(url, 'GET', { name: 'state' })).toMatchObject({
      customers: [{ name: 'B' }],
    });
    expect(limits).toMatchObject({ latencyMs: 1, locks: true });
    expect(await controlled(url, 'POST', { name: 'expire-idempotency-keys' })).toEqual({
      expired: 1,
    });
    expect(
      await controlled(url, 'POST', { name: 'webhooks', body: { mode: 'hold' } }),
    ).toMatchObject({ mode: 'hold', url: null });
    expect(await controlled(url, 'POST', { name: 'deliver' })).toEqual([]);
  });

  it('refuse what they do not know', async () => {
    const { url } = double;

    expect(await controlled(url, 'POST', { name: 'faults', body: { kind: 'none' } })).toEqual({
      error: "No fault of kind 'none'.",
    });
    expect(await controlled(url, 'POST', { name: 'limits', body: { latency: 1 } })).toEqual({
      error: 'Unknown setting or wrong type: latency.',
    });
    expect(await controlled(url, 'GET', { name: 'nothing' })).toMatchObject({
      error: "No control 'GET nothing'.",
    });
  });
});

describe('the program', () => {
  it('goes on from its state file after it was killed, and stops on SIGTERM', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stripe-double-'));
    const run = async (): Promise<{
      url: string;
      stop: (signal: NodeJS.Signals) => Promise<unknown>;
    }> => {
      const main = new URL('../support/stripe-double/main.ts', import.meta.url).pathname;
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', main, '--state', join(folder, 'state.json')],
        { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
      );
      const exited = once(child, 'exit');
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const { url } = JSON.parse(line) as { url: string };
      return {
        url,
        stop: async (signal) => {
          child.kill(signal);
          return await exited;
        },
      };
    };
    const connect = (url: string): Stripe =>
      client({ host: '127.0.0.1', port: Number(new URL(url).port), protocol: 'http' });

    const first = await run();
    const before = connect(first.url);
    const { id } = await before.customers.create({ name: 'Acme' });
    const params = { customer: id, currency: 'usd', amount: 1 };
    const kept = await before.invoiceItems.create(params, { idempotencyKey: 'k' });
    await first.stop('SIGKILL');

    const second = await run();
    const after = connect(second.url);
    const replayed = await after.invoiceItems.create(params, { idempotencyKey: 'k' });
    const events = await after.events.list();
    const [code] = (await second.stop('SIGTERM')) as [number];
    await rm(folder, { recursive: true });

    expect(replayed.id).toBe(kept.id);
    expect(events.data.map(({ type }) => type)).toEqual([
      'invoiceitem.created',
      'customer.created',
    ]);
    expect(code).toBe(0);
  });
});

describe('the account', () => {
  it('says which it is', async () => {
    expect(await stripe.accounts.retrieveCurrent()).toMatchObject({
      id: double.state().id,
      object: 'account',
    });
  });
});

describe('searching for customers', () => {
  it('finds metadata by OR, but nothing that is younger than a minute', async () => {
    let now = 1_790_000_000_000;
    await use({ clock: () => now });
    const query = String.raw`metadata['who']:'it\'s me' OR metadata['who']:'you'`;
    const found = async (): Promise<string[]> =>
      (await stripe.customers.search({ query })).data.map(({ id }) => id);
    const me = await stripe.customers.create({ metadata: { who: "it's me" } });
    const you = await stripe.customers.create({ metadata: { who: 'you' } });
    await stripe.customers.create({ metadata: { who: 'they' } });
    expect(await found()).toEqual([]);
    now += 60_000;
    expect(await found()).toEqual([you.id, me.id]);
    await stripe.customers.del(me.id);
    expect(await found()).toEqual([you.id]);
  });

  it('refuses what it does not understand', async () => {
    const error = await failure(stripe.customers.search({ query: 'email~"x"' }));
    expect(error).toMatchObject({ statusCode: 400, param: 'query' });
  });
});
