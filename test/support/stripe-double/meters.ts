import { type Account } from './account.js';
import { invalid, noSuch } from './errors.js';
import { newId } from './ids.js';
import { paginate, pagination } from './lists.js';
import type { List, Meter, MeterEventRecord } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

const MINUTE_SECONDS = 60;

const creatable = {
  display_name: p.required(p.text(250)),
  event_name: p.required(p.text(100)),
  default_aggregation: p.required(p.hash({ formula: p.required(p.oneOf('count', 'last', 'sum')) })),
  customer_mapping: p.hash({
    type: p.required(p.oneOf('by_id', 'by_id')),
    event_payload_key: p.required(p.text(100)),
  }),
  event_time_window: p.unmodelled(),
  value_settings: p.hash({ event_payload_key: p.required(p.text(100)) }),
};

/** The meter of a name that counts now; undefined when there is none. */
export function activeMeter(account: Account, eventName: string): Meter | undefined {
  return [...account.meters.values()].find(
    (meter) => meter.event_name === eventName && meter.status === 'active',
  );
}

function create(account: Account, params: p.ParamsOf<typeof creatable>): Meter {
  if (activeMeter(account, params.event_name) !== undefined) {
    throw invalid(`There is already an active meter with the event name '${params.event_name}'.`, {
      param: 'event_name',
    });
  }
  const now = account.now();
  const meter: Meter = {
    id: newId('mtr'),
    object: 'billing.meter',
    created: now,
    customer_mapping: {
      type: 'by_id',
      event_payload_key: params.customer_mapping?.event_payload_key ?? 'stripe_customer_id',
    },
    default_aggregation: params.default_aggregation,
    display_name: params.display_name,
    event_name: params.event_name,
    event_time_window: null,
    livemode: false,
    status: 'active',
    status_transitions: { deactivated_at: null },
    updated: now,
    value_settings: { event_payload_key: params.value_settings?.event_payload_key ?? 'value' },
  };
  account.meters.set(meter.id, meter);
  return meter;
}

function existing(account: Account, id: string): Meter {
  const meter = account.meters.get(id);
  if (meter === undefined) {
    throw noSuch('billing meter', id, 'id', 404);
  }
  return meter;
}

function deactivate(account: Account, id: string): Meter {
  const meter = existing(account, id);
  const now = account.now();
  Object.assign(meter, {
    status: 'inactive',
    status_transitions: { deactivated_at: now },
    updated: now,
  });
  return meter;
}

const summarized = {
  ...pagination,
  customer: p.required(p.text()),
  start_time: p.required(p.integer()),
  end_time: p.required(p.integer()),
  value_grouping_window: p.unmodelled(),
};

/** One sum for the whole range; none when nothing was counted in it. */
function summaries(
  account: Account,
  meter: Meter,
  params: p.ParamsOf<typeof summarized>,
): List<object> {
  const { start_time: start, end_time: end, customer } = params;
  for (const [name, time] of Object.entries({ start_time: start, end_time: end })) {
    if (time % MINUTE_SECONDS !== 0) {
      throw invalid(`${name} must be aligned with minute boundaries.`, { param: name });
    }
  }
  const counted = [...account.meterEvents.values()].filter(
    (event) =>
      event.state === 'counted' &&
      event.event_name === meter.event_name &&
      event.payload[meter.customer_mapping.event_payload_key] === customer &&
      event.timestamp >= start &&
      event.timestamp < end,
  );
  const summary = {
    id: `mtrusg_${meter.id}_${start}`,
    object: 'billing.meter_event_summary',
    aggregated_value: aggregate(meter, counted),
    start_time: start,
    end_time: end,
    livemode: false,
    meter: meter.id,
  };
  return {
    object: 'list',
    data: counted.length === 0 ? [] : [summary],
    has_more: false,
    url: `/v1/billing/meters/${meter.id}/event_summaries`,
  };
}

function aggregate(meter: Meter, events: readonly MeterEventRecord[]): number {
  const values = events.map((event) =>
    Number(event.payload[meter.value_settings.event_payload_key]),
  );
  switch (meter.default_aggregation.formula) {
    case 'sum':
      return values.reduce((sum, value) => sum + value, 0);
    case 'last':
      return values.at(-1) ?? 0;
    case 'count':
    default:
      return values.length;
  }
}

export const meterRoutes: Route[] = [
  route('POST', '/v1/billing/meters', creatable, ({ account, params }) => create(account, params)),
  route(
    'GET',
    '/v1/billing/meters',
    { ...pagination, status: p.oneOf('active', 'inactive') },
    ({ account, params }) =>
      paginate(params, {
        what: 'billing meter',
        url: '/v1/billing/meters',
        all: account.meters.newestFirst(),
        matches: ({ status }) => params.status === undefined || status === params.status,
      }),
  ),
  route('GET', '/v1/billing/meters/:id', {}, ({ account, id }) => existing(account, id)),
  route('POST', '/v1/billing/meters/:id/deactivate', {}, ({ account, id }) =>
    deactivate(account, id),
  ),
  route('GET', '/v1/billing/meters/:id/event_summaries', summarized, ({ account, id, params }) =>
    summaries(account, existing(account, id), params),
  ),
];
