/* What `usage` tells of its own figures. */
import { define } from './message-definition.js';
import { byName, flag, id, list, object, orNull, text, time, whole } from './shape.js';

const FIGURES = orNull(byName(orNull(text()), 'Decimals and times as text; null: nothing.'));

export const USAGE_MESSAGES = {
  'usage.check_failed': define({
    description: 'What meters had counted was not what the stored events come to.',
    data: object({
      check: id('chk'),
      hour_count: whole('How many hours were checked.'),
      difference_count: whole(),
      differences: list(
        object({
          meter: text("The meter's key."),
          subject: text(),
          hour: time(),
          groups: list(orNull(text())),
          kept: FIGURES,
          counted: FIGURES,
        }),
        'The first ten.',
      ),
      is_repaired: flag('Whether what differed was counted anew.'),
    }),
    example: {
      check: 'chk_01kgn5y5w8e1qav2b6xmyd3n53',
      hour_count: 500,
      difference_count: 1,
      differences: [
        {
          meter: 'requests',
          subject: 'key_live_1',
          hour: '2026-11-03T10:00:00Z',
          groups: ['eu'],
          kept: { count: '10' },
          counted: { count: '11' },
        },
      ],
      is_repaired: false,
    },
  }),
  'meter.failing': define({
    description:
      'What came of a meter cannot be brought into its figures; answers are read from events.',
    data: object({
      meter: text("The meter's key."),
      error: text('What the database said.'),
      failing_since: time(),
    }),
    example: {
      meter: 'requests',
      error: 'numeric field overflow',
      failing_since: '2026-11-21T10:00:00.000Z',
    },
  }),
};
