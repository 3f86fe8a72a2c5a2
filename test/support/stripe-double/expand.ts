import type { Account } from './account.js';
import { invalid } from './errors.js';
import { renderInvoice } from './invoice-object.js';

type Body = Record<string, unknown>;

/** Stripe's limit (https://docs.stripe.com/expand). */
const MAX_DEPTH = 4;

/** Where each kind of object leads: properties that hold another object or the id of one. */
const PROPERTIES: Record<string, Record<string, string>> = {
  customer: { invoice_settings: 'invoice_settings' },
  invoice: { customer: 'customer', default_payment_method: 'payment_method', lines: 'lines' },
  invoice_settings: { default_payment_method: 'payment_method' },
  invoiceitem: { customer: 'customer', invoice: 'invoice' },
  payment_method: { customer: 'customer' },
  subscription: { customer: 'customer', latest_invoice: 'invoice' },
};

const LOADERS: Record<string, (account: Account, id: string) => object | undefined> = {
  customer: (account, id) => account.customers.get(id),
  invoice: (account, id) => {
    const record = account.invoices.get(id);
    return record === undefined ? undefined : renderInvoice(account, record);
  },
  payment_method: (account, id) => account.paymentMethods.get(id)?.object,
};

/** Refuses paths that lead nowhere; in a list they start with `data`. */
export function checkExpand(
  paths: string[],
  { kind, isList }: { kind: string; isList: boolean },
): void {
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.length > MAX_DEPTH) {
      throw invalid(`You cannot expand more than ${MAX_DEPTH} levels of a property.`, {
        code: 'property_expansion_max_depth',
        param: 'expand',
      });
    }
    const inside = isList && steps[0] === 'data' ? steps.slice(1) : steps;
    const start = isList && steps[0] !== 'data' ? undefined : kind;
    const end = inside.reduce<string | undefined>(
      (from, step) => (from === undefined ? undefined : PROPERTIES[from]?.[step]),
      start,
    );
    if (end === undefined || end === 'invoice_settings' || inside.length === 0) {
      throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
    }
  }
}

/** Replaces ids by objects along paths that were checked; returns a changed copy. */
export function expand(account: Account, body: object, paths: string[]): object {
  if (paths.length === 0) {
    return body;
  }
  const copy = structuredClone(body) as Body;
  for (const path of paths) {
    follow(account, copy, path.split('.'));
  }
  return copy;
}

function follow(account: Account, body: Body, steps: string[]): void {
  const [step, ...rest] = steps;
  if (step === undefined) {
    return;
  }
  const value = body[step];
  if (typeof value === 'string') {
    const found = LOADERS[kindOf(body, step)]?.(account, value);
    body[step] = found === undefined ? value : structuredClone(found);
  }
  const inner = body[step];
  if (typeof inner === 'object' && inner !== null) {
    for (const element of Array.isArray(inner) ? (inner as Body[]) : [inner as Body]) {
      follow(account, element, rest);
    }
  }
}

function kindOf(body: Body, step: string): string {
  const kind = typeof body['object'] === 'string' ? body['object'] : 'invoice_settings';
  return PROPERTIES[kind]?.[step] ?? '';
}
