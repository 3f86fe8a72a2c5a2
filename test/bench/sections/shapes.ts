/* Sections that are a table each: how the standard scenario fares when one thing about it is changed. */
import { FORMAT_NAMES } from '../events/formats.js';
import { type Scenario, SINGLE, STANDARD } from '../scenario.js';
import { type Section, tableOf } from './section.js';

/** Of 1 KB events so many have as many bytes as those of the standard. */
const LARGE_EVENTS = 50_000;

const named = (name: string, changes: Partial<Scenario>): Scenario => ({
  ...STANDARD,
  name,
  ...changes,
});

export const connections: Section = tableOf('connections', 'Connections: three meters live', [
  ...[1, 8, 64, 256].map((count) => ({
    ...SINGLE,
    name: `1 to a request, ${count} connections`,
    connections: count,
    events: count === 1 ? 4_000 : SINGLE.events,
  })),
  ...[1, 8, 64].map((count) =>
    named(`500 to a request, ${count} connections`, { connections: count }),
  ),
  // As many requests of 500 as may wait together: beyond INGEST_MAX_QUEUE_BYTES the answer is a 503.
  named('100 to a request, 256 connections', { connections: 256, perRequest: [100] }),
]);

export const formats: Section = tableOf(
  'formats',
  'Formats: 500 to a request, three meters live',
  FORMAT_NAMES.map((format) => named(format, { format, events: 100_000 })),
);

export const duplicates: Section = tableOf(
  'duplicates',
  'Events that were stored before: 500 to a request, three meters live',
  [0, 10, 100].map((repeatPercent) => named(`${repeatPercent} % duplicates`, { repeatPercent })),
);

export const meters: Section = tableOf(
  'meters',
  'Meters live: 500 to a request',
  [1, 3, 10, 50].map((count) => named(`${count} meters`, { meters: count })),
);

export const subjects: Section = tableOf(
  'subjects',
  'Subjects: 500 to a request, three meters live',
  [
    named('one subject', { shape: { subjects: 1, bytes: 190 } }),
    named('1,000 subjects, Zipf', {}),
    named('1,000,000 subjects, evenly', { shape: { subjects: 1_000_000, bytes: 190 } }),
  ],
);

export const sizes: Section = tableOf(
  'sizes',
  'Bytes of an event: 500 to a request, three meters live',
  [
    named('190 bytes', {}),
    named('1 KB', { shape: { subjects: 1_000, bytes: 1_000 }, events: LARGE_EVENTS }),
  ],
);
