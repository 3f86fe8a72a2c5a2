/* What `billing` tells of usage on its way to Stripe's meters. */
import { define } from './message-definition.js';
import { decimal, id, object, orNull, text, time } from './shape.js';

export const METER_EVENT_MESSAGES = {
  'meter_event.failed': define({
    description:
      'What a meter at Stripe was told counts there for nothing, or nobody knows: nothing more of the subscription and meter is sent until it is settled.',
    data: object({
      meter_event: id('mev'),
      stream: id('mes'),
      identifier: text('What Stripe knows it by.'),
      customer: text("The customer's key."),
      subscription: id('sub'),
      meter: text("The meter's key."),
      period: object({ start: time(), end: time() }, 'From `start` on, to before `end`.'),
      value: decimal(),
      timestamp: time('The time that Stripe was told.'),
      stripe_customer_id: orNull(text()),
      failure_code: text('A code of Stripe’s reports, `rejected`, or `unclear`.'),
      failure: text('What Stripe said, or what its sums are.'),
    }),
    example: {
      meter_event: 'mev_01kgn5y5w8e1qav2b6xmyd3n7a',
      stream: 'mes_01kgn5y5w8e1qav2b6xmyd3n7b',
      identifier: 'mes_01kgn5y5w8e1qav2b6xmyd3n7b-7',
      customer: 'acme',
      subscription: 'sub_01kgn5y5w8e1qav2b6xmyd3n4s',
      meter: 'requests',
      period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      value: '1235',
      timestamp: '2026-11-21T10:00:00.000Z',
      stripe_customer_id: 'cus_NffrFeUfNV2Hib',
      failure_code: 'meter_event_customer_not_found',
      failure: 'No customer was found for the event.',
    },
  }),
};
