import { keptText, storablePayload } from '../../../src/events/kept-payload.js';
import { readBody, readLines } from '../../../src/events/read-body.js';
import { readUsageEvent } from '../../../src/events/usage-event.js';

const RULES = { now: new Date('2026-11-10T12:00:00Z'), maxAgeSeconds: 60, maxAheadSeconds: 60 };
const JSON_TYPE = 'application/json';

describe('keptText', () => {
  it('keeps a value that is nested deeper than any writer goes, but for its depths', () => {
    const text = `{"id":"a","data":${'['.repeat(100_000)}1${']'.repeat(100_000)}}`;
    const { values, dialect } = readBody(Buffer.from(text), JSON_TYPE);
    expect(readUsageEvent(values[0], RULES, dialect).outcome).toBe('rejected');
    const kept = keptText(values[0], dialect);
    expect(kept).toMatch(/^\{"id":"a","data":\[{63}"\[too deep\]"\]{63}\}$/);
  });

  it.each(['1e999', '-1e-999', `1${'0'.repeat(400)}`])(
    'keeps the digits of %s, for which an event was refused',
    (number) => {
      const text = `{"id":"a","data":{"v":${number},"w":[${number}]}}`;
      const { values, dialect } = readBody(Buffer.from(text), JSON_TYPE);
      expect(keptText(values[0], dialect)).toBe(text);
      const event = { ...{ id: 'a', source: 's', type: 't', subject: 'k' } };
      for (const wrong of [
        { data: { v: values[0] } },
        { data: value(number) },
        { ext: value(number) },
      ]) {
        const read = readUsageEvent({ ...event, ...wrong }, RULES, dialect);
        expect(read.outcome).toBe('rejected');
      }
    },
  );

  it('keeps what PostgreSQL can hold', () => {
    const stored = storablePayload(`\0${'x'.repeat(70_000)}`);
    expect(stored).toHaveLength(65_536);
    expect(stored).not.toContain('\0');
  });
});

describe('readLines', () => {
  it('goes once through a block of blank lines', () => {
    // It looked from each of them through all that follow: a minute for this, now some milliseconds.
    expect(readLines(Buffer.alloc(2_000_000, '\n'))).toMatchObject({ values: [] });
  });
});

function value(number: string): unknown {
  return (readBody(Buffer.from(`[${number}]`), JSON_TYPE).values as unknown[])[0];
}
