import { type Account } from './account.js';
import { invalid } from './errors.js';
import { newId } from './ids.js';
import { activeMeter } from './meters.js';
import type { MeterEventRecord, ThinEvent } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

/** https://docs.stripe.com/api/billing/meter-event/create: how old and how new an event may be. */
const MAX_AGE_SECONDS = 35 * 86_400;
const MAX_AHEAD_SECONDS = 300;
/** Identifiers are kept, and events may be cancelled, for so long. */
const DAY_SECONDS = 86_400;
const MAX_DIGITS = 15;

const sendable = {
  event_name: p.required(p.text(100)),
  identifier: p.text(100),
  payload: p.required(payload()),
  timestamp: p.integer(),
};

/** A hash of texts under any names. */
function payload(): p.Field<Record<string, string>> {
  return {
    parse(value, name) {
      if (typeof value === 'string') {
        throw invalid('Invalid object', { param: name });
      }
      return Object.fromEntries(
        Object.entries(value).map(([key, entry]) => [
          key,
          p.text().parse(entry, `${name}[${key}]`),
        ]),
      );
    },
  };
}

/** Identifier and time are judged at once, everything else afterwards: then 200 was answered already. */
function send(account: Account, params: p.ParamsOf<typeof sendable>): object {
  const now = account.now();
  const identifier = params.identifier ?? newId('mtre');
  const timestamp = params.timestamp ?? now;
  const isKnown = [...account.meterEvents.values()].some(
    (event) => event.identifier === identifier && now - event.received < DAY_SECONDS,
  );
  if (isKnown) {
    throw invalid(`An event already exists with identifier ${identifier}.`);
  }
  if (timestamp < now - MAX_AGE_SECONDS || timestamp > now + MAX_AHEAD_SECONDS) {
    throw invalid(
      'The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.',
      { param: 'timestamp' },
    );
  }
  const { event_name, payload: content } = params;
  const error = refusal(account, event_name, content);
  const id = newId('mtre');
  account.meterEvents.set(id, {
    id,
    event_name,
    identifier,
    payload: content,
    timestamp,
    received: now,
    state: error === null ? 'counted' : 'refused',
    error,
    reported: false,
  });
  return {
    object: 'billing.meter_event',
    created: now,
    event_name,
    identifier,
    livemode: false,
    payload: content,
    timestamp,
  };
}

/** Why an event counts for nobody, by the codes of Stripe's error reports; null when it counts. */
function refusal(
  account: Account,
  eventName: string,
  content: Record<string, string>,
): MeterEventRecord['error'] {
  const meter = activeMeter(account, eventName);
  if (meter === undefined) {
    const isArchived = [...account.meters.values()].some(
      ({ event_name: name }) => name === eventName,
    );
    return isArchived
      ? { code: 'archived_meter', message: `The meter for ${eventName} is archived.` }
      : { code: 'no_meter', message: `No meter found with event name ${eventName}.` };
  }
  const customer = content[meter.customer_mapping.event_payload_key];
  if (customer === undefined) {
    const message = 'The payload names no customer.';
    return { code: 'meter_event_no_customer_defined', message };
  }
  const found = account.customers.get(customer);
  if (found === undefined || 'deleted' in found) {
    const message = `Customer ${customer} not found.`;
    return { code: 'meter_event_customer_not_found', message };
  }
  const value = content[meter.value_settings.event_payload_key] ?? '';
  if (!/^-?\d+$/.test(value)) {
    return { code: 'meter_event_invalid_value', message: `Invalid value: ${value}` };
  }
  return value.length > MAX_DIGITS
    ? { code: 'meter_event_value_too_many_digits', message: `Too many digits: ${value}` }
    : null;
}

const adjustable = {
  event_name: p.required(p.text(100)),
  type: p.required(p.oneOf('cancel', 'cancel')),
  cancel: p.hash({ identifier: p.text(100) }),
};

function adjust(account: Account, params: p.ParamsOf<typeof adjustable>): object {
  const identifier = params.cancel?.identifier ?? '';
  const now = account.now();
  const event = [...account.meterEvents.values()].findLast(
    (one) => one.identifier === identifier && one.event_name === params.event_name,
  );
  if (event === undefined || event.state === 'refused') {
    throw invalid(`No event found with identifier ${identifier}.`);
  }
  if (event.state === 'cancelled') {
    throw invalid(`The event with identifier ${identifier} has already been cancelled.`);
  }
  if (now - event.received >= DAY_SECONDS) {
    throw invalid('You can only cancel events within 24 hours of Stripe receiving them.');
  }
  event.state = 'cancelled';
  return {
    object: 'billing.meter_event_adjustment',
    cancel: { identifier },
    event_name: params.event_name,
    livemode: false,
    status: 'pending',
    type: 'cancel',
  };
}

/** Tells of refused events, one thin event for each event name. */
export function reportMeterErrors(account: Account, samples: number): ThinEvent[] {
  const refused = [...account.meterEvents.values()].filter(
    (event) => event.state === 'refused' && !event.reported,
  );
  const names = [...new Set(refused.map((event) => event.event_name))];
  return names.map((name) => {
    const events = refused.filter((event) => event.event_name === name);
    const report = reportOf(account, events, samples);
    for (const event of events) {
      event.reported = true;
    }
    account.thinEvents.set(report.id, report);
    return report;
  });
}

function reportOf(
  account: Account,
  events: readonly MeterEventRecord[],
  samples: number,
): ThinEvent {
  const name = events[0]?.event_name;
  const meter = [...account.meters.values()].find((one) => one.event_name === name);
  const codes = [...new Set(events.map((event) => event.error?.code ?? ''))];
  const created = new Date(account.now() * 1000).toISOString();
  return {
    id: newId('evt'),
    object: 'v2.core.event',
    type:
      meter === undefined
        ? 'v1.billing.meter.no_meter_found'
        : 'v1.billing.meter.error_report_triggered',
    created,
    livemode: false,
    related_object:
      meter === undefined
        ? null
        : { id: meter.id, type: 'billing.meter', url: `/v1/billing/meters/${meter.id}` },
    data: {
      developer_message_summary: `There ${events.length === 1 ? 'is 1 invalid event' : `are ${events.length} invalid events`}`,
      reason: {
        error_count: events.length,
        error_types: codes.map((code) => {
          const ofCode = events.filter((event) => event.error?.code === code);
          return {
            code,
            error_count: ofCode.length,
            sample_errors: ofCode.slice(0, samples).map((event) => ({
              error_message: event.error?.message,
              request: { identifier: event.identifier },
            })),
          };
        }),
      },
      validation_start: created,
      validation_end: created,
    },
  };
}

export const meterEventRoutes: Route[] = [
  route('POST', '/v1/billing/meter_events', sendable, ({ account, params }) =>
    send(account, params),
  ),
  route('POST', '/v1/billing/meter_event_adjustments', adjustable, ({ account, params }) =>
    adjust(account, params),
  ),
];
