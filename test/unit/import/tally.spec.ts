import { type Item } from '../../../src/import/batch.js';
import { type SentRecord } from '../../../src/import/sink.js';
import { Tally } from '../../../src/import/tally.js';

const item = (number: number, occurrence = 1): Item => ({
  ...{ number, text: 'x', refusal: null, isEnded: true, occurrence },
  equals: { count: occurrence, isOrderNeeded: true },
});
const record = (status: SentRecord['status'], id: string | null = 'rec_1'): SentRecord => ({
  id,
  status,
  ...(status === 'rejected' && { code: 'missing_subject', detail: 'subject: none.' }),
});
const add = (tally: Tally, ...pairs: [Item | null, SentRecord][]): void => {
  tally.addAnswer('a.log', { text: '', owners: pairs.map(([owner]) => owner) }, [
    ...pairs.map(([, answer]) => answer),
  ]);
};

describe('Tally', () => {
  it('says how many records came to which end, and why, with examples', () => {
    const tally = new Tally();
    add(
      tally,
      [item(1), record('accepted')],
      [item(2), record('duplicate')],
      [item(3), record('ignored', null)],
    );
    expect(tally.isClean).toBe(true);
    for (let number = 4; number < 9; number += 1) {
      add(tally, [item(number), record('rejected')]);
    }
    expect(tally.isClean).toBe(false);
    expect(tally.lines(false)).toEqual([
      '8 records: accepted 1, duplicate 1, conflict 0, ignored 1, rejected 5',
      '  missing_subject: 5, such as a.log:4, a.log:5, a.log:6',
      '    subject: none.',
    ]);
  });

  it('is not clean with a conflict', () => {
    const tally = new Tally();
    add(tally, [item(1), record('conflict')]);
    expect(tally.isClean).toBe(false);
  });

  it('counts a line once, although a copy of it was accepted before it', () => {
    const tally = new Tally();
    add(tally, [null, record('accepted')], [item(2, 2), record('accepted')]);
    add(tally, [item(1), record('duplicate')]);
    expect(tally.counts).toMatchObject({ accepted: 2, duplicate: 0 });
  });

  it('learns which lines need their order', () => {
    const tally = new Tally();
    const items = [item(1), item(2), item(3), item(4)];
    const answers = [
      record('accepted'),
      record('accepted', 'own-id'),
      record('rejected'),
      record('ignored', null),
    ];
    add(tally, ...items.map((one, index): [Item, SentRecord] => [one, answers[index]!]));
    expect(items.map(({ equals }) => equals.isOrderNeeded)).toEqual([true, false, false, false]);
  });

  it('says so when a line cannot be told from its equals, instead of calling it a duplicate', () => {
    const tally = new Tally();
    add(tally, [item(1, 10_001), record('duplicate')]);
    add(tally, [item(2, 10_001), record('duplicate', 'own-id')]);
    expect(tally.counts).toMatchObject({ duplicate: 1, rejected: 1 });
    expect(tally.lines(false)[1]).toMatch(/repeated_too_often: 1, such as a\.log:1$/);
  });
});
