import fc from 'fast-check';
import { decimal } from '../../../src/kernel/decimal.js';
import { preferredFormat } from '../../../src/platform/http/line-format.js';
import { writerOf } from '../../../src/usage/export/export-format.js';
import { type ExportRow } from '../../../src/usage/export/export.service.js';

const row = (overrides: Partial<ExportRow> = {}): ExportRow => ({
  meter: { key: 'requests', unit: 'requests' } as ExportRow['meter'],
  customer: 'acme',
  subject: null,
  bucket: { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-11-02T00:00:00Z') },
  group: {},
  quantity: decimal('-12345678901234567890.000000000001'),
  ...overrides,
});

/** Reads one record of RFC 4180 by its grammar; null is a cell in which nothing stands, not even quotes. */
function cellsOf(record: string): (string | null)[] {
  expect(record.endsWith('\r\n')).toBe(true);
  const cells: (string | null)[] = [];
  let rest = `${record.slice(0, -2)},`;
  while (rest !== '') {
    const cell = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*)),/.exec(rest);
    if (cell === null) {
      throw new Error(`No record: ${JSON.stringify(record)}`);
    }
    cells.push(cell[1]?.replaceAll('""', '"') ?? (cell[2] === '' ? null : (cell[2] ?? null)));
    rest = rest.slice(cell[0].length);
  }
  return cells;
}

describe('an export in CSV', () => {
  const writer = writerOf('csv', ['region'], 'Europe/Berlin');

  it('has a header, a column for each group, and numbers as they are', () => {
    expect(writer.head).toBe(
      'meter,customer,subject,window_start,window_end,group_region,quantity,unit\r\n',
    );
    expect(writer.write([row({ group: { region: 'eu' } }), row()])).toBe(
      'requests,acme,,2026-11-01T01:00:00+01:00,2026-11-02T01:00:00+01:00,eu,-12345678901234567890.000000000001,requests\r\n' +
        'requests,acme,,2026-11-01T01:00:00+01:00,2026-11-02T01:00:00+01:00,,-12345678901234567890.000000000001,requests\r\n',
    );
  });

  it.each([
    ['=1+1', "'=1+1"],
    ['+49', "'+49"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', `"'\r=1"`],
    ['＝1', "'＝1"],
    ["'=1", "''=1"],
    ['a=1', 'a=1'],
    ['a "b", c\n', '"a ""b"", c\n"'],
    ['', '""'],
  ])('writes the group %j as %j', (region, cell) => {
    const record = writer.write([row({ group: { region } })]);
    expect(record).toContain(`+01:00,${cell},-1234`);
  });

  it('can be read back to what it was, and holds no formula', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: fc.constantFrom(...`=+-@'",;\r\n\t a＝`) }),
          fc.string({ unit: 'grapheme' }),
        ),
        fc.string({ unit: fc.constantFrom(...`="',\r\n-1`), minLength: 1 }),
        (region, subject) => {
          const cells = cellsOf(writer.write([row({ subject, group: { region } })]));
          expect(cells).toHaveLength(8);
          for (const [index, text] of [
            [2, subject],
            [5, region],
          ] as const) {
            const cell = cells[index] ?? '';
            expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
            expect(cell.replace(/^'/, '')).toBe(text);
          }
        },
      ),
    );
  });
});

describe('an export in NDJSON', () => {
  it('has a line for each row, with texts as they are', () => {
    const writer = writerOf('ndjson', ['region', 'other'], 'UTC');
    expect(writer.head).toBe('');
    const lines = writer.write([row({ subject: '=1\n', group: { region: null } }), row()]);
    expect(lines.split('\n')).toHaveLength(3);
    expect(JSON.parse(lines.split('\n')[0] ?? '')).toEqual({
      meter: 'requests',
      customer: 'acme',
      subject: '=1\n',
      window_start: '2026-11-01T00:00:00Z',
      window_end: '2026-11-02T00:00:00Z',
      group: { region: null },
      quantity: '-12345678901234567890.000000000001',
      unit: 'requests',
    });
  });
});

describe('preferredFormat', () => {
  it.each([
    ['', 'ndjson'],
    ['*/*', 'ndjson'],
    ['text/html, */*;q=0.8', 'ndjson'],
    ['text/csv', 'csv'],
    ['Text/CSV; charset=utf-8', 'csv'],
    ['application/x-ndjson;q=0.5, text/csv;q=0.9', 'csv'],
    ['text/csv;q=0.5, application/ndjson', 'ndjson'],
    ['text/csv;q=0', 'ndjson'],
    ['text/csv;q=much', 'ndjson'],
  ])('of %j is %s', (accept, format) => {
    expect(preferredFormat(accept)).toBe(format);
  });
});
