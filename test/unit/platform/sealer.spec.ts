import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { Sealer, SealError } from '../../../src/platform/sealer.js';

const [one, other] = [randomBytes(32), randomBytes(32)];
const sealer = new Sealer({ secretKeys: [one] });

describe('Sealer', () => {
  it('opens what it sealed, and shows nothing of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (secret, context) => {
        const sealed = sealer.seal(secret, context);
        expect(sealed.startsWith(sealer.prefix)).toBe(true);
        expect(sealer.open(sealed, context)).toBe(secret);
      }),
    );
    expect(sealer.seal('whsec_same', 'a')).not.toBe(sealer.seal('whsec_same', 'a'));
  });

  it('opens nothing elsewhere, and nothing that was changed', () => {
    const sealed = sealer.seal('whsec_x', 'one row');
    const changed = `${sealed.slice(0, -6)}${sealed.at(-6) === 'A' ? 'B' : 'A'}${sealed.slice(-5)}`;
    expect(() => sealer.open(sealed, 'another row')).toThrow(SealError);
    expect(() => sealer.open(changed, 'one row')).toThrow(SealError);
    expect(() => sealer.open(`${sealer.prefix}AAAA`, 'one row')).toThrow(SealError);
  });

  it('opens by any of its keys, and seals by the first', () => {
    const sealed = sealer.seal('whsec_x', 'row');
    const both = new Sealer({ secretKeys: [other, one] });
    expect(both.open(sealed, 'row')).toBe('whsec_x');
    expect(both.prefix).not.toBe(sealer.prefix);
    const without = new Sealer({ secretKeys: [other] });
    expect(() => without.open(sealed, 'row')).toThrow(/METERLINE_SECRET_KEYS/);
  });

  it('keeps secrets in the clear without a key, and reads them with one', () => {
    const plain = new Sealer({ secretKeys: [] });
    expect([plain.hasKey, plain.prefix, plain.seal('whsec_x', 'row')]).toEqual([
      false,
      '',
      'whsec_x',
    ]);
    expect(sealer.open('whsec_x', 'row')).toBe('whsec_x');
    expect(() => plain.open(sealer.seal('whsec_x', 'row'), 'row')).toThrow(SealError);
  });
});
