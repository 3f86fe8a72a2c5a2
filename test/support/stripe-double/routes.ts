import type { Account } from './account.js';
import { checkExpand } from './expand.js';
import type { FormHash } from './form.js';
import type { Origin } from './objects.js';
import { type Field, type Fields, list, type ParamsOf, parseFields, text } from './parameters.js';

export type Method = 'GET' | 'POST' | 'DELETE';

/** What a handler is given: the account, parsed parameters, the id in the path (or ''), the cause. */
export interface Call<P> {
  account: Account;
  params: P;
  id: string;
  origin: Origin;
}

/** A request whose parameters passed; `run` reads or changes the account in one step. */
export interface BoundCall {
  params: Record<string, unknown>;
  expand: string[];
  run(context: Omit<Call<never>, 'params'>): object;
}

export interface Route {
  method: Method;
  pattern: string;
  matches(path: string): { id: string } | undefined;
  bind(form: FormHash): BoundCall;
}

interface Expandable {
  expand: Field<string[]>;
}

/** What stands in a path for an id; some of Stripe's own words there are routes not offered here. */
const ID = '(?<id>(?!(?:create_preview|search)$)[^/]+)';

/** The kind of object that the routes below a path answer. */
const KINDS: Record<string, string> = {
  account: 'account',
  customers: 'customer',
  events: 'event',
  invoiceitems: 'invoiceitem',
  invoices: 'invoice',
  payment_methods: 'payment_method',
  subscriptions: 'subscription',
};

/** A route of the API. Every method but DELETE takes `expand` besides its own `fields`. */
export function route<S extends Fields>(
  method: Method,
  pattern: string,
  fields: S,
  handler: (call: Call<ParamsOf<S>>) => object,
): Route {
  const expression = new RegExp(`^${pattern.replace(':id', ID)}$`);
  const shown = {
    kind: pattern.endsWith('/lines') ? 'line_item' : (KINDS[pattern.split('/')[2] ?? ''] ?? ''),
    isList:
      method === 'GET' &&
      pattern !== '/v1/account' &&
      (!pattern.includes(':id') || pattern.endsWith('/lines')),
  };
  const allFields: S & Partial<Expandable> =
    method === 'DELETE' ? fields : { ...fields, expand: list(text()) };
  return {
    method,
    pattern,
    matches(path) {
      const match = expression.exec(path);
      return match === null ? undefined : { id: match.groups?.['id'] ?? '' };
    },
    bind(form) {
      const { expand, ...params } = parseFields<Fields>(allFields, form);
      const paths = (expand as string[] | undefined) ?? [];
      checkExpand(paths, shown);
      return {
        params,
        expand: paths,
        run: (context) => handler({ ...context, params: params as ParamsOf<S> }),
      };
    },
  };
}
