/* What `sources` tells of gateways that send. */
import { define } from './message-definition.js';
import { decimal, either, id, just, list, object, orNull, text, time, whole } from './shape.js';

const SOURCE = {
  source: id('src'),
  key: text("The source's key."),
  name: text(),
};

const GAP = either(
  object({
    ...SOURCE,
    kind: just('announced'),
    gap: text('What it is known by.'),
    from: time('The window that was announced.'),
    to: time(),
    announced: whole('How many events it said it had sent.'),
    stored: whole(),
    missing: whole('Below zero: more are stored than were announced.'),
    since: time(),
  }),
  object({
    ...SOURCE,
    kind: just('sequence'),
    gap: text('What it is known by.'),
    counter: text('Whose numbers are missing.'),
    ranges: list(object({ first: text(), last: text() }), 'The first 100, both ends included.'),
    missing: whole(),
    since: time(),
  }),
);

const exampleSource = {
  source: 'src_01kgn5y5w8e1qav2b6xmyd3n51',
  key: 'kong-eu',
  name: 'Kong in Europe',
};

const exampleCount = {
  ...exampleSource,
  kind: 'announced',
  gap: 'cnt_01kgn5y5w8e1qav2b6xmyd3n52',
  from: '2026-11-03T10:00:00.000Z',
  to: '2026-11-03T11:00:00.000Z',
  announced: 1200,
  stored: 1188,
  missing: 12,
  since: '2026-11-03T11:05:00.000Z',
} as const;

export const SOURCE_MESSAGES = {
  'source.gap_found': define({
    description: 'Fewer or more came of a source than it says that it sent.',
    data: GAP,
    example: exampleCount,
  }),
  'source.gap_closed': define({
    description: 'What was told to be missing of a source has come.',
    data: GAP,
    example: { ...exampleCount, stored: 1200, missing: 0 },
  }),
  'source.rejecting': define({
    description: 'The share of records of a source that are refused has reached its limit.',
    data: object({
      ...SOURCE,
      share: decimal('Of what came in the window; 0.05 is one in twenty.'),
      limit: decimal('From which share on it is told.'),
      min_records: whole(),
      window_seconds: whole(),
      records: whole(),
      refused: whole(),
      reasons: list(object({ code: text(), count: whole() })),
      rejecting_since: time(),
    }),
    example: {
      ...exampleSource,
      share: '0.25',
      limit: '0.05',
      min_records: 100,
      window_seconds: 900,
      records: 400,
      refused: 100,
      reasons: [{ code: 'missing_subject', count: 100 }],
      rejecting_since: '2026-11-03T10:20:00.000Z',
    },
  }),
  'source.silent': define({
    description: 'Nothing was stored from a source for longer than it is expected to send.',
    data: object({
      ...SOURCE,
      expected_every: whole('Seconds.'),
      last_event_at: orNull(time()),
      silent_since: time(),
    }),
    example: {
      ...exampleSource,
      expected_every: 300,
      last_event_at: '2026-11-03T10:10:00.000Z',
      silent_since: '2026-11-03T10:15:00.000Z',
    },
  }),
};
