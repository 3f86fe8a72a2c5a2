/*
 * Aim: a log is the same records in whatever pieces its bytes come.
 * Method: texts with every oddity that logs have are pushed byte by byte, in halves and whole.
 */
import { ArraySplitter } from '../../../src/import/array-splitter.js';
import { ImportFault } from '../../../src/import/import-fault.js';
import { LineSplitter } from '../../../src/import/line-splitter.js';
import { type LogLine, MAX_LINE_BYTES, type Splitter } from '../../../src/import/log-line.js';

const split = (make: () => Splitter, bytes: Buffer, size: number): LogLine[] => {
  const splitter = make();
  const lines: LogLine[] = [];
  for (let start = 0; start < bytes.length; start += size) {
    lines.push(...splitter.push(bytes.subarray(start, start + size)));
  }
  return [...lines, ...splitter.end()];
};
const brief = (lines: LogLine[]): unknown[] =>
  lines.map(({ number, text, refusal }) => [number, refusal?.code ?? text]);

describe.each([1, 3, 7, 1_000])('in pieces of %d bytes', (size) => {
  it('lines are cut at their ends, and blank ones counted', () => {
    const bytes = Buffer.concat([
      Buffer.from('\uFEFFone\r\n\n  \ntwö\n'),
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.from('last'),
    ]);
    const lines = split(() => new LineSplitter(), bytes, size);
    expect(brief(lines)).toEqual([
      [1, 'one'],
      [4, 'twö'],
      [5, 'invalid_utf8'],
      [6, 'last'],
    ]);
    expect(lines.map(({ isEnded }) => isEnded)).toEqual([true, true, true, false]);
  });

  it('an array is cut into its elements', () => {
    const text = ' [ {"a": "x,]}\\"[", "b": [1, {"c": 2}]},\n{\n"d":\r\n3 } , 7 ] \n';
    expect(brief(split(() => new ArraySplitter(), Buffer.from(text), size))).toEqual([
      [1, '{"a": "x,]}\\"[", "b": [1, {"c": 2}]}'],
      [2, '{ "d": 3 }'],
      [3, '7'],
    ]);
    expect(split(() => new ArraySplitter(), Buffer.from('[]'), size)).toEqual([]);
  });

  it('an array that breaks off or goes on is a fault', () => {
    for (const text of ['[{"a": 1}, {"b"', '[1] [2]', '[1],']) {
      expect(() => split(() => new ArraySplitter(), Buffer.from(text), size)).toThrow(ImportFault);
    }
  });
});

it('a line that is too long is refused alone, and not kept', () => {
  const bytes = Buffer.from(`a\n${'x'.repeat(MAX_LINE_BYTES + 1)}\nb\n`);
  expect(brief(split(() => new LineSplitter(), bytes, 65_536))).toEqual([
    [1, 'a'],
    [2, 'line_too_long'],
    [3, 'b'],
  ]);
});
