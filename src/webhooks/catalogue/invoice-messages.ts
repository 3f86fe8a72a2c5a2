/* What `billing` tells of invoices, and of how the ledger compares with Stripe. */
import { CUSTOMER } from './common-shapes.js';
import { define } from './message-definition.js';
import {
  byName,
  day,
  decimal,
  id,
  list,
  object,
  optional,
  orNull,
  text,
  time,
  whole,
} from './shape.js';

const INVOICE = {
  invoice: id('inv'),
  customer: CUSTOMER,
  billing_period: id('bp'),
  state: text('`open`, `paid`, `uncollectible`, `void`, `draft`, `pending` or `deleted`.'),
  number: orNull(text("The provider's number of it.")),
  currency: text('Three lower-case letters.'),
  total: orNull(decimal('In units of the currency; null until the provider has said so.')),
  total_minor: orNull(whole('The same in minor units.')),
  amount_paid: orNull(decimal()),
  amount_paid_minor: orNull(whole()),
  stripe_invoice_id: orNull(text()),
  hosted_invoice_url: orNull(text('Where the customer can see and pay it.')),
};

const CHANGED = object(INVOICE);
const FAILED = object({
  ...INVOICE,
  provider_event: optional(text("The id of the provider's event that said so.")),
});

const exampleOpen = {
  invoice: 'inv_01kgn5y5w8e1qav2b6xmyd3n4w',
  customer: 'acme',
  billing_period: 'bp_01kgn5y5w8e1qav2b6xmyd3n4r',
  state: 'open',
  number: 'A1B2C3D4-0001',
  currency: 'usd',
  total: '94.38',
  total_minor: 9438,
  amount_paid: '0.00',
  amount_paid_minor: 0,
  stripe_invoice_id: 'in_1MtHbELkdIwHu7ixl4OzzPMv',
  hosted_invoice_url: 'https://invoice.stripe.com/i/acct_1/live_1',
};

const TOTALS = object({
  currency: text(),
  ledger: decimal('What the ledger has.'),
  ledger_minor: whole(),
  stripe: decimal('What Stripe has of it.'),
  stripe_minor: whole(),
  gap: decimal('Stripe less the ledger.'),
  gap_minor: whole(),
  in_flight: decimal('What is still on its way, and in neither.'),
  in_flight_minor: whole(),
  in_flight_count: whole(),
  not_ours: decimal('What others wrote on the same invoices.'),
  not_ours_minor: whole(),
  not_ours_count: whole(),
});

const RECONCILIATION = {
  reconciliation: id('rec'),
  from: time(),
  to: time(),
  night: orNull(day('Of the nightly one; null when somebody asked for it.')),
  invoice_count: whole(),
  line_item_count: whole(),
  difference_count: whole(),
  accepted_count: whole(
    'Differences that somebody had accepted before; they are not in `difference_count`.',
  ),
  differences: byName(whole(), 'How many there are of each class.'),
  totals: list(TOTALS),
};

const exampleReconciliation = {
  reconciliation: 'rec_01kgn5y5w8e1qav2b6xmyd3n50',
  from: '2026-11-01T00:00:00.000Z',
  to: '2026-12-01T00:00:00.000Z',
  night: '2026-12-02',
  invoice_count: 12,
  line_item_count: 40,
  difference_count: 0,
  accepted_count: 0,
  differences: {},
  totals: [
    {
      currency: 'usd',
      ledger: '1132.56',
      ledger_minor: 113_256,
      stripe: '1132.56',
      stripe_minor: 113_256,
      gap: '0.00',
      gap_minor: 0,
      in_flight: '0.00',
      in_flight_minor: 0,
      in_flight_count: 0,
      not_ours: '0.00',
      not_ours_minor: 0,
      not_ours_count: 0,
    },
  ],
};

export const INVOICE_MESSAGES = {
  'invoice.finalized': define({
    description: 'The provider finalized an invoice that carries our line items.',
    data: CHANGED,
    example: exampleOpen,
  }),
  'invoice.finalization_failed': define({
    description: 'The provider could not finalize an invoice that carries our line items.',
    data: FAILED,
    example: {
      ...exampleOpen,
      state: 'draft',
      number: null,
      provider_event: 'evt_1MtHbELkdIwHu7ix',
    },
  }),
  'invoice.paid': define({
    description: 'An invoice that carries our line items was paid.',
    data: CHANGED,
    example: { ...exampleOpen, state: 'paid', amount_paid: '94.38', amount_paid_minor: 9438 },
  }),
  'invoice.payment_failed': define({
    description: 'A payment of an invoice that carries our line items failed.',
    data: FAILED,
    example: { ...exampleOpen, provider_event: 'evt_1MtHbELkdIwHu7ix' },
  }),
  'invoice.voided': define({
    description: 'An invoice that carries our line items was voided.',
    data: CHANGED,
    example: { ...exampleOpen, state: 'void' },
  }),
  'invoice.window_closing': define({
    description:
      'Half of the time is over in which a draft of a Stripe subscription can be filled, and something is not on it.',
    data: object({
      customer: CUSTOMER,
      stripe_invoice_id: text(),
      stripe_subscription: text(),
      period_end: time('When the period ends that the draft is for.'),
      attach_by: time('Until when the draft can be filled.'),
      line_items: list(id('li'), 'Those that are not on it.'),
      billing_periods: list(id('bp'), 'Those that have not closed.'),
    }),
    example: {
      customer: 'acme',
      stripe_invoice_id: 'in_1MtHbELkdIwHu7ixl4OzzPMv',
      stripe_subscription: 'sub_1MowQVLkdIwHu7ixeRlqHVzs',
      period_end: '2026-12-01T00:00:00.000Z',
      attach_by: '2026-12-01T01:00:00.000Z',
      line_items: ['li_01kgn5y5w8e1qav2b6xmyd3n4t'],
      billing_periods: [],
    },
  }),
  'reconciliation.completed': define({
    description: 'The ledger was compared with Stripe, line by line.',
    data: object(RECONCILIATION),
    example: exampleReconciliation,
  }),
  'reconciliation.differences_found': define({
    description: 'The ledger and Stripe were found to differ.',
    data: object(RECONCILIATION),
    example: { ...exampleReconciliation, difference_count: 1, differences: { edited: 1 } },
  }),
  'reconciliation.failed': define({
    description: 'The ledger could not be compared with Stripe.',
    data: object({ ...RECONCILIATION, error: text('Why, in words.') }),
    example: { ...exampleReconciliation, totals: [], error: 'Stripe did not answer.' },
  }),
};
