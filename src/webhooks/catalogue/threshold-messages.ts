/* What `billing` tells of thresholds. */
import { CUSTOMER, PERIOD } from './common-shapes.js';
import { define } from './message-definition.js';
import {
  byName,
  decimal,
  id,
  list,
  object,
  oneOf,
  optional,
  orNull,
  text,
  time,
  whole,
} from './shape.js';

const COMMON = {
  threshold: text("The threshold's key."),
  crossing: id('thc'),
  customer: CUSTOMER,
  plan: orNull(text('The key of the plan that is watched; null: one customer, or everyone.')),
  meter: orNull(text('The key of the meter whose quantity is watched.')),
  price: orNull(text('The key of the price whose quantity or amount is watched.')),
  currency: orNull(text('Of an amount; null: a quantity is watched.')),
  group: orNull(byName(orNull(text()), "Values of the threshold's groups; null: it has none.")),
  level: decimal('As the threshold names it: percent of a percentage.'),
  level_kind: oneOf(['absolute', 'percent', 'every']),
  bound: decimal('The quantity or amount that the level stands for.'),
  basis: oneOf(['billing_period', 'lifetime'], 'In what the level fires once.'),
  subscription: orNull(id('sub')),
  period: orNull(PERIOD),
};

const EVENT = object(
  { source: text(), id: text(), subject: text(), time: time() },
  'The event with which the level was reached.',
);

const example = {
  threshold: 'requests_80_percent',
  crossing: 'thc_01kgn5y5w8e1qav2b6xmyd3n60',
  customer: 'acme',
  plan: null,
  meter: null,
  price: 'requests',
  currency: null,
  group: null,
  level: '80',
  level_kind: 'percent',
  bound: '8000',
  basis: 'billing_period',
  subscription: 'sub_01kgn5y5w8e1qav2b6xmyd3n4s',
  period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
} as const;

export const THRESHOLD_MESSAGES = {
  'threshold.crossed': define({
    description: 'Usage, or what it comes to, has reached a level of a threshold.',
    data: object({
      ...COMMON,
      quantity_before: optional(orNull(decimal('Null when it is not known.'))),
      quantity_after: optional(decimal()),
      amount_before: optional(orNull(decimal('Null when it is not known.'))),
      amount_after: optional(decimal('In units of the currency.')),
      event: orNull(EVENT),
      actions: list(oneOf(['notify', 'bill', 'suspend'])),
      line_item_count: orNull(whole('How many line items it billed; null: it bills nothing.')),
    }),
    example: {
      ...example,
      quantity_before: '7999',
      quantity_after: '8001',
      event: {
        source: 'kong',
        id: 'req-1',
        subject: 'key_live_1',
        time: '2026-11-21T10:00:00.000Z',
      },
      actions: ['notify'],
      line_item_count: null,
    },
  }),
  'threshold.retracted': define({
    description: 'What had reached a level of a threshold is below it again.',
    data: object({
      ...COMMON,
      quantity: optional(decimal()),
      amount: optional(decimal('In units of the currency.')),
      crossed_at: time('When the level was reached.'),
    }),
    example: { ...example, quantity: '7998', crossed_at: '2026-11-21T10:00:00.000Z' },
  }),
};
