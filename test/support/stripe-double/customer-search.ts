import { invalid } from './errors.js';
import type { Customer } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

/** https://docs.stripe.com/search#data-freshness: "searchable in less than a minute", as a rule. */
const LAG_SECONDS = 60;
const CLAUSE = /^metadata\['([^']+)'\]:'((?:[^'\\]|\\.)*)'$/;

type Test = (customer: Customer) => boolean;

/** The part of the query language that is modelled: equal metadata, joined by OR. */
function parse(query: string): Test {
  const tests = query.split(' OR ').map((clause): Test => {
    const [, key = '', value = ''] = CLAUSE.exec(clause) ?? [];
    if (key === '') {
      throw invalid(`We were unable to parse your search query: ${clause}`, { param: 'query' });
    }
    const wanted = value.replaceAll(/\\(.)/g, '$1');
    return ({ metadata }) => metadata[key] === wanted;
  });
  return (customer) => tests.some((test) => test(customer));
}

/** What was created within the last minute is not found, so that nobody can rely on it. */
export const customerSearch: Route = route(
  'GET',
  '/v1/customers/search',
  { query: p.required(p.text()), limit: p.integer(1, 100), page: p.unmodelled() },
  ({ account, params }) => {
    const test = parse(params.query);
    const found = [...account.customers.newestFirst().after()].filter(
      (customer): customer is Customer =>
        customer.deleted !== true &&
        customer.created <= account.now() - LAG_SECONDS &&
        test(customer),
    );
    const limit = params.limit ?? 10;
    return {
      object: 'search_result',
      data: found.slice(0, limit),
      has_more: found.length > limit,
      next_page: found.length > limit ? String(limit) : null,
      url: '/v1/customers/search',
    };
  },
);
