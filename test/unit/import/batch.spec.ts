/*
 * Aim: wherever requests begin and end, a line without an id gets the same id, and equal lines one each.
 * Method: the ids that the service would give to every request are compared with those of one request
 * of all lines, for random logs of few texts, cut anywhere.
 */
import fc from 'fast-check';
import {
  cutBatches,
  isBeyondCounting,
  type Item,
  MAX_BATCH_BYTES,
  MAX_BATCH_LINES,
  MAX_BODY_LINES,
  toBodies,
} from '../../../src/import/batch.js';
import { type LogLine } from '../../../src/import/log-line.js';
import { Occurrences } from '../../../src/import/occurrences.js';
import { RecordIds } from '../../../src/sources/record-id.js';

const linesOf = (texts: readonly string[]): LogLine[] =>
  texts.map((text, index) => ({ number: index + 1, text, refusal: null, isEnded: true }));

async function* chunked(lines: readonly LogLine[], size = 700): AsyncGenerator<LogLine[]> {
  for (let start = 0; start < lines.length; start += size) {
    yield await Promise.resolve(lines.slice(start, start + size));
  }
}

const cut = async (texts: readonly string[], skipped = 0, chunk = 700): Promise<Item[][]> => {
  const batches: Item[][] = [];
  const lines = chunked(linesOf(texts), chunk);
  for await (const batch of cutBatches(lines, new Occurrences(), skipped)) {
    batches.push(batch);
  }
  return batches;
};

/** The id of each line of a log, as the service finds it in these requests. */
function idsIn(bodies: ReturnType<typeof toBodies>): Map<number, string> {
  return new Map(
    bodies.flatMap(({ text, owners }) => {
      const ids = new RecordIds();
      const lines = text.split('\n').slice(0, -1);
      expect(lines).toHaveLength(owners.length);
      return owners.flatMap((owner, index): [number, string][] => {
        const id = ids.next({ text: lines[index] });
        return owner === null ? [] : [[owner.number, id]];
      });
    }),
  );
}

describe('cutBatches', () => {
  it('cuts by lines, whatever pieces the log is read in', async () => {
    const texts = Array.from({ length: MAX_BATCH_LINES * 2 + 5 }, (_, index) => `line ${index}`);
    const sizes = (batches: Item[][]): number[] => batches.map(({ length }) => length);
    expect(sizes(await cut(texts))).toEqual([MAX_BATCH_LINES, MAX_BATCH_LINES, 5]);
    expect(await cut(texts, 0, 13)).toEqual(await cut(texts));
  });

  it('cuts by size', async () => {
    const text = 'x'.repeat(MAX_BATCH_BYTES / 4);
    expect((await cut([text, text, text, text, text])).map(({ length }) => length)).toEqual([4, 1]);
  });

  it('counts lines that it does not send', async () => {
    const [batch] = await cut(['a', 'b', 'a', 'a'], 2);
    expect(batch?.map(({ number, occurrence }) => [number, occurrence])).toEqual([
      [3, 2],
      [4, 3],
    ]);
  });
});

describe('toBodies', () => {
  it('gives every line the id that one request of all lines would give it, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(60), { maxLength: 6 }),
        async (texts, cuts) => {
          const [all = []] = await cut(texts);
          const borders = [0, ...cuts.toSorted((left, right) => left - right), texts.length];
          const parts = borders.slice(1).map((end, index) => all.slice(borders[index], end));
          const ids = idsIn(parts.flatMap(toBodies));
          const whole = new RecordIds();
          expect([...ids.entries()].toSorted(([left], [right]) => left - right)).toEqual(
            texts.map((text, index) => [index + 1, whole.next({ text })]),
          );
          expect(new Set(ids.values()).size).toBe(texts.length);
        },
      ),
    );
  });

  it('keeps below what a request may hold, with all copies', async () => {
    const texts = Array.from({ length: MAX_BODY_LINES }, (_, index) => `line ${index % 3}`);
    const bodies = (await cut(texts)).flatMap(toBodies);
    expect(Math.max(...bodies.map(({ owners }) => owners.length))).toBeLessThanOrEqual(
      MAX_BODY_LINES,
    );
    expect(new Set(idsIn(bodies).values()).size).toBe(texts.length);
  });

  it('sends no copies of what has an id of its own or is refused', async () => {
    const [, items = []] = await cut(Array.from({ length: MAX_BATCH_LINES + 1 }, () => 'same'));
    expect(toBodies(items)[0]?.owners).toHaveLength(MAX_BATCH_LINES + 1);
    items.forEach(({ equals }) => {
      equals.isOrderNeeded = false;
    });
    expect(toBodies(items)[0]?.owners).toHaveLength(1);
  });

  it('sends a line alone when no request holds all its equals, and knows that it is beyond counting', async () => {
    const items = (await cut(Array.from({ length: MAX_BODY_LINES + 1 }, () => 'x'))).flat();
    expect(items.filter(isBeyondCounting).map(({ number }) => number)).toEqual([
      MAX_BODY_LINES + 1,
    ]);
    expect(toBodies(items.slice(-1))[0]?.owners).toHaveLength(1);
  });
});

describe('Occurrences', () => {
  it('remembers as many texts as it may, and forgets the oldest', () => {
    const occurrences = new Occurrences(2);
    const counts = ['a', 'b', 'a', 'c', 'a', 'd', 'e', 'f', 'b'].map(
      (text) => occurrences.count(text).count,
    );
    expect(counts).toEqual([1, 1, 2, 1, 3, 1, 1, 1, 1]);
  });
});
