import fc from 'fast-check';
import { keyEvent } from '../../../src/events/event-key.js';
import { type UsageEvent } from '../../../src/events/usage-event.js';

const EVENT: UsageEvent = {
  source: 's',
  id: 'i',
  type: 't',
  subject: 'k',
  time: '2026-11-10T12:00:00Z',
  data: '{}',
  extensions: null,
};

describe('keyEvent', () => {
  it('is 128 bits in hexadecimal and a digest that a bigint holds', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (source, data) => {
        const { key, digest } = keyEvent({ ...EVENT, source, data });
        expect(key).toMatch(/^[0-9a-f]{32}$/);
        expect(BigInt.asIntN(64, BigInt(digest)).toString()).toBe(digest);
      }),
    );
  });

  it('keeps its key and digest when time or extensions change', () => {
    const restamped = { ...EVENT, time: '2026-11-10T13:00:00Z', extensions: '{"a":1}' };
    expect(keyEvent(restamped)).toMatchObject({
      key: keyEvent(EVENT).key,
      digest: keyEvent(EVENT).digest,
    });
  });

  it.each(['source', 'id'] as const)('has another key for another %s', (name) => {
    expect(keyEvent({ ...EVENT, [name]: 'x' }).key).not.toBe(keyEvent(EVENT).key);
  });

  it.each(['type', 'subject', 'data'] as const)(
    'has the same key and another digest for another %s',
    (name) => {
      const other = keyEvent({ ...EVENT, [name]: 'x' });
      expect(other.key).toBe(keyEvent(EVENT).key);
      expect(other.digest).not.toBe(keyEvent(EVENT).digest);
    },
  );

  it('does not let the parts run into each other', () => {
    const keys = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['abc', ''],
      ['', 'abc'],
    ].map(([source = '', id = '']) => keyEvent({ ...EVENT, source, id }).key);
    expect(new Set(keys).size).toBe(4);
  });

  it('never changes: keys of years ago must still be found', () => {
    expect(keyEvent(EVENT).key).toBe('8fbef1375683a30bdc81e345d2b3babb');
  });
});
