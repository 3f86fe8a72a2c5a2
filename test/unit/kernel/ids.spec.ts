import { isId, looksLikeId, newId } from '../../../src/kernel/ids.js';

describe('newId', () => {
  it('has the form that isId asks for', () => {
    for (const prefix of ['cus', 'mtr', 'li'] as const) {
      expect(isId(prefix, newId(prefix))).toBe(true);
    }
  });

  it('sorts in the order in which identifiers were made, and never repeats', () => {
    const ids = Array.from({ length: 5_000 }, () => newId('cus'));
    expect(ids.toSorted((left, right) => (left < right ? -1 : 1))).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('isId', () => {
  it.each([
    '',
    'cus_',
    'mtr_01k9c0r7zxf6s4nd5v3e2b8a9g',
    'cus_01k9',
    'cus_01K9C0R7ZXF6S4ND5V3E2B8A9G',
  ])('refuses %p as a customer', (text) => {
    expect(isId('cus', text)).toBe(false);
  });

  it('refuses letters that look like others', () => {
    for (const letter of 'ilou') {
      expect(isId('cus', `cus_${letter.repeat(26)}`)).toBe(false);
    }
  });
});

describe('looksLikeId', () => {
  it('knows every kind of id, and takes no usual name for one', () => {
    expect(looksLikeId(newId('src'))).toBe(true);
    expect(looksLikeId(newId('planv'))).toBe(true);
    expect(
      ['acme', 'src_kong', 'key_live_1', newId('cus').toUpperCase()].filter(looksLikeId),
    ).toEqual([]);
  });
});
