/* What `billing` tells of usage: line items that another platform collects, and reports on a schedule. */
import { define } from './message-definition.js';
import {
  byName,
  decimal,
  flag,
  id,
  list,
  object,
  oneOf,
  orNull,
  text,
  time,
  whole,
} from './shape.js';

const CUSTOMER = object({ id: id('cus'), key: text(), metadata: byName(text()) });

const PERIOD = object(
  { id: id('bp'), start: time(), end: time(), time_zone: text() },
  'From `start` on, to before `end`.',
);

const QUANTITY = orNull(
  object({ delta: decimal(), total: decimal() }, 'Null but for usage, and what corrects it.'),
);

const AMOUNT = object(
  { delta: decimal(), delta_minor: whole(), total: decimal(), total_minor: whole() },
  'In units of the currency, and in its minor units.',
);

const exampleCommon = {
  customer: { id: 'cus_01kgn5y5w8e1qav2b6xmyd3n61', key: 'acme', metadata: { crm: '4711' } },
  subscription: 'sub_01kgn5y5w8e1qav2b6xmyd3n4s',
  period: {
    id: 'bp_01kgn5y5w8e1qav2b6xmyd3n4r',
    start: '2026-11-01T00:00:00+01:00',
    end: '2026-12-01T00:00:00+01:00',
    time_zone: 'Europe/Berlin',
  },
  currency: 'usd',
};

const exampleQuantity = { delta: '120', total: '980' };
const exampleAmount = { delta: '1.20', delta_minor: 120, total: '9.80', total_minor: 980 };

export const REPORTED_MESSAGES = {
  'billing.usage_reported': define({
    description: 'A line item was written that the platform behind the endpoint collects.',
    data: object({
      line_item: id('li', 'The same however often it is told: take it once.'),
      charge: text('What it has in common with all line items of the period and price.'),
      revision: whole('How many of these there are, this one with them.'),
      customer: CUSTOMER,
      subscription: id('sub'),
      invoice: orNull(id('inv')),
      price: orNull(text("The price's key; null for a limit of the whole period.")),
      meter: orNull(text("The meter's key; null for a fee or a limit.")),
      kind: oneOf(['flat', 'minimum', 'maximum', 'usage', 'adjustment']),
      description: text(),
      period: PERIOD,
      quantity: QUANTITY,
      amount: AMOUNT,
      currency: text('Three lower-case letters.'),
      final: flag('Whether nothing more comes of the period and price but corrections.'),
      corrects: orNull(id('li', 'The line item that an adjustment corrects.')),
    }),
    example: {
      ...exampleCommon,
      line_item: 'li_01kgn5y5w8e1qav2b6xmyd3n4t',
      charge: 'bp_01kgn5y5w8e1qav2b6xmyd3n4r/price_01kgn5y5w8e1qav2b6xmyd3n4v',
      revision: 1,
      invoice: 'inv_01kgn5y5w8e1qav2b6xmyd3n4w',
      price: 'requests',
      meter: 'requests',
      kind: 'usage',
      description: 'API requests',
      quantity: { delta: '980', total: '980' },
      amount: { delta: '9.80', delta_minor: 980, total: '9.80', total_minor: 980 },
      final: true,
      corrects: null,
    },
  }),
  'usage.reported': define({
    description:
      'A scheduled report of what was used so far, and of the difference to the one before.',
    data: object({
      usage_report: id('ur'),
      name: text(),
      run: id('urr'),
      slot: time('The moment of the schedule that it is for.'),
      missed_from: orNull(time('The first slot that was missed and is made up by this one.')),
      as_of: time('All that was stored then is counted.'),
      revision: whole('How many reports of the period there were, this one with them.'),
      customer: CUSTOMER,
      subscription: id('sub'),
      plan: text("The plan's key."),
      period: PERIOD,
      final: flag('True in one last report, after the period has closed.'),
      currency: text('Three lower-case letters.'),
      amount: AMOUNT,
      prices: list(
        object({
          price: text("The price's key."),
          kind: text('`usage`, or what else it charges for.'),
          meter: orNull(text("The meter's key.")),
          unit: orNull(text("The meter's unit.")),
          quantity: QUANTITY,
          amount: AMOUNT,
        }),
      ),
    }),
    example: {
      ...exampleCommon,
      usage_report: 'ur_01kgn5y5w8e1qav2b6xmyd3n62',
      name: 'Daily to the warehouse',
      run: 'urr_01kgn5y5w8e1qav2b6xmyd3n63',
      slot: '2026-11-10T00:00:00+01:00',
      missed_from: null,
      as_of: '2026-11-09T23:00:02.113Z',
      revision: 9,
      plan: 'pro',
      final: false,
      amount: exampleAmount,
      prices: [
        {
          price: 'requests',
          kind: 'usage',
          meter: 'requests',
          unit: 'request',
          quantity: exampleQuantity,
          amount: exampleAmount,
        },
      ],
    },
  }),
};
