import fc from 'fast-check';
import { copyLine } from '../../../src/events/copy-line.js';
import { type UsageEvent } from '../../../src/events/usage-event.js';

const UNESCAPED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', '\\': '\\' };

/** What PostgreSQL reads of a column in COPY's text format. */
function unescape(column: string): string | null {
  return column === '\\N'
    ? null
    : column.replaceAll(
        /\\(.)/g,
        (_, character: string) => UNESCAPED[character] ?? `?${character}`,
      );
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('\\', 'N', 't', 'n', 'r', '\t', '\n', '\r', '.', 'x', '"') }),
);

describe('copyLine', () => {
  it('is seven columns of one line that PostgreSQL reads back as they were', () => {
    fc.assert(
      fc.property(
        fc.record({
          source: text,
          id: text,
          type: text,
          subject: text,
          time: fc.constant('2026-11-10T12:00:00Z'),
          data: fc.jsonValue().map((value) => JSON.stringify(value)),
          extensions: fc.option(text, { nil: null }),
        }),
        (event: UsageEvent) => {
          const line = copyLine(event);
          expect(line).not.toMatch(/[\n\r]/);
          const { source, id, type, subject, time, data, extensions } = event;
          expect(line.split('\t').map(unescape)).toEqual([
            ...[source, id, type, subject, time, data, extensions],
          ]);
        },
      ),
    );
  });
});
