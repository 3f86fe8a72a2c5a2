/* What `billing` tells of billing periods, of late usage and of how customers stand. */
import { CUSTOMER, MONEY, PERIOD } from './common-shapes.js';
import { define } from './message-definition.js';
import { decimal, id, list, object, oneOf, orNull, text, time, whole } from './shape.js';

const LINE_ITEM = object({
  id: id('li'),
  billing_period: id(
    'bp',
    'Whose usage it is for; of an adjustment the closed period that it corrects.',
  ),
  kind: oneOf(['flat', 'minimum', 'maximum', 'usage', 'adjustment']),
  price_id: id('price'),
  price: text("The price's key."),
  quantity: orNull(decimal('What was counted, or how much more or less; null but for usage.')),
  amount: decimal(),
  amount_minor: whole(),
  description: text(),
  corrects: orNull(id('li', 'The line item that an adjustment corrects.')),
  invoice: orNull(id('inv', 'The invoice that carries it; null when none does yet.')),
});

const LINE_ITEMS = {
  line_item_count: whole('All of them.'),
  line_items: list(LINE_ITEM, 'The first 50; `GET /line-items` has the rest.'),
};

const CHARGED = object({
  billing_period: id('bp'),
  subscription: id('sub'),
  customer: CUSTOMER,
  plan: text("The plan's key."),
  period: PERIOD,
  ...MONEY,
  ...LINE_ITEMS,
});

const REASONS = list(
  object({
    code: text('The check that does not pass.'),
    count: orNull(whole('How many things are in the way, of those that can be counted.')),
    detail: text('One sentence for people.'),
    list: orNull(text('The path of the list in which it is repaired.')),
  }),
);

const HELD = {
  billing_period: id('bp'),
  subscription: id('sub'),
  customer: CUSTOMER,
  plan: text("The plan's key."),
  period: PERIOD,
  reasons: REASONS,
};

const examplePeriod = {
  billing_period: 'bp_01kgn5y5w8e1qav2b6xmyd3n4r',
  subscription: 'sub_01kgn5y5w8e1qav2b6xmyd3n4s',
  customer: 'acme',
  plan: 'pro',
  period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
};

const exampleItem = {
  id: 'li_01kgn5y5w8e1qav2b6xmyd3n4t',
  billing_period: examplePeriod.billing_period,
  kind: 'usage',
  price_id: 'price_01kgn5y5w8e1qav2b6xmyd3n4v',
  price: 'requests',
  quantity: '123450',
  amount: '45.38',
  amount_minor: 4538,
  description: 'API requests',
  corrects: null,
  invoice: 'inv_01kgn5y5w8e1qav2b6xmyd3n4w',
} as const;

const exampleReasons = [
  {
    code: 'quarantined_values',
    count: 2,
    detail: '2 values of its meters could not be read.',
    list: '/api/v1/events/quarantined',
  },
];

const exampleMoney = { amount: '45.38', amount_minor: 4538, currency: 'usd' };

export const BILLING_PERIOD_MESSAGES = {
  'billing_period.closed': define({
    description: 'A billing period was closed and its line items were written.',
    data: CHARGED,
    example: { ...examplePeriod, ...exampleMoney, line_item_count: 1, line_items: [exampleItem] },
  }),
  'billing_period.fees_charged': define({
    description:
      'A first billing period began, and line items were written of its fees in advance.',
    data: CHARGED,
    example: {
      ...examplePeriod,
      amount: '49.00',
      amount_minor: 4900,
      currency: 'usd',
      line_item_count: 1,
      line_items: [
        { ...exampleItem, kind: 'flat', quantity: null, amount: '49.00', amount_minor: 4900 },
      ],
    },
  }),
  'billing_period.billed_early': define({
    description:
      'The usage of an open billing period so far was billed, since a threshold was crossed.',
    data: CHARGED,
    example: { ...examplePeriod, ...exampleMoney, line_item_count: 1, line_items: [exampleItem] },
  }),
  'billing_period.held': define({
    description: 'A billing period that is due may not close, since a check does not pass.',
    data: object(HELD),
    example: { ...examplePeriod, reasons: exampleReasons },
  }),
  'billing_period.released': define({
    description: 'A person let a held billing period close.',
    data: object({
      ...HELD,
      released_by: id('key', 'The API key of that person.'),
      release_reason: text(),
    }),
    example: {
      ...examplePeriod,
      reasons: exampleReasons,
      released_by: 'key_01kgn5y5w8e1qav2b6xmyd3n4x',
      release_reason: 'The gateway sent test traffic.',
    },
  }),
  'late_usage.billed': define({
    description: 'Late usage was billed on an invoice of its own.',
    data: object({ subscription: id('sub'), customer: CUSTOMER, ...MONEY, ...LINE_ITEMS }),
    example: {
      subscription: examplePeriod.subscription,
      customer: 'acme',
      ...exampleMoney,
      line_item_count: 1,
      line_items: [
        { ...exampleItem, kind: 'adjustment', corrects: 'li_01kgn5y5w8e1qav2b6xmyd3n4y' },
      ],
    },
  }),
  'late_usage.held': define({
    description: 'Late usage of a closed billing period waits for a person to decide.',
    data: object({
      late_usage: id('late'),
      billing_period: id('bp'),
      subscription: id('sub'),
      customer: CUSTOMER,
      ...MONEY,
    }),
    example: {
      late_usage: 'late_01kgn5y5w8e1qav2b6xmyd3n4z',
      billing_period: examplePeriod.billing_period,
      subscription: examplePeriod.subscription,
      customer: 'acme',
      ...exampleMoney,
    },
  }),
  'customer.standing_changed': define({
    description:
      'A customer owes an invoice, is suspended for it or by a threshold, or is neither any longer.',
    data: object({
      customer: CUSTOMER,
      standing: oneOf(['good', 'past_due', 'suspended']),
      standing_before: oneOf(['good', 'past_due', 'suspended']),
      past_due_since: orNull(time('When the first unpaid invoice is past due.')),
      unpaid_invoices: list(id('inv'), 'The first of them.'),
      suspended_by: list(
        object({
          threshold: text("The threshold's key."),
          crossing: id('thc'),
          until: orNull(time('When the billing period ends; null: until it is lifted.')),
        }),
        'The first of the thresholds that suspend the customer; none where unpaid invoices do.',
      ),
    }),
    example: {
      customer: 'acme',
      standing: 'past_due',
      standing_before: 'good',
      past_due_since: '2026-12-01T01:00:00.000Z',
      unpaid_invoices: ['inv_01kgn5y5w8e1qav2b6xmyd3n4w'],
      suspended_by: [],
    },
  }),
};
