import { noSuch, onlyOneOf } from './errors.js';
import { inRange, paginate, pagination } from './lists.js';
import type { Event } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

/** https://docs.stripe.com/api/events/list: "up to 20 specific event names". */
const MAX_TYPES = 20;

const fields = {
  ...pagination,
  created: p.range(),
  delivery_success: p.boolean(),
  type: p.text(),
  types: p.list(p.text(), MAX_TYPES),
};

function isOfType(event: Event, { type, types }: { type?: string; types?: string[] }): boolean {
  if (types !== undefined) {
    return types.includes(event.type);
  }
  if (type?.endsWith('*') === true) {
    return event.type.startsWith(type.slice(0, -1));
  }
  return type === undefined || event.type === type;
}

export const eventRoutes: Route[] = [
  route('GET', '/v1/events', fields, ({ account, params }) => {
    if (params.type !== undefined && params.types !== undefined) {
      throw onlyOneOf('type', 'types');
    }
    const { delivery_success: delivered } = params;
    return paginate(params, {
      what: 'event',
      url: '/v1/events',
      all: account.events.newestFirst(),
      matches: (event) =>
        !account.hiddenEvents.has(event.id) &&
        isOfType(event, params) &&
        (delivered === undefined || (event.pending_webhooks === 0) === delivered) &&
        inRange(event.created, params.created),
    });
  }),
  route('GET', '/v1/events/:id', {}, ({ account, id }) => {
    const event = account.events.get(id);
    if (event === undefined) {
      throw noSuch('event', id, 'id', 404);
    }
    return event;
  }),
  route('GET', '/v2/core/events/:id', {}, ({ account, id }) => {
    const event = account.thinEvents.get(id);
    if (event === undefined) {
      throw noSuch('event', id, 'id', 404);
    }
    return event;
  }),
];
