import {
  currencyFaults,
  inOtherCurrencies,
  moneyOf,
} from '../../../src/pricing/price-currencies.js';
import { moneyFaults, type NewPrice } from '../../../src/pricing/price-rules.js';
import {
  readAmountTerms,
  readUsageTerms,
  type TermsText,
} from '../../../src/pricing/price-terms.js';
import { tier } from '../../support/prices.js';

type Priced = TermsText & { readonly currencies?: (TermsText & { readonly currency: string })[] };

const base: Priced = { amount: '49', currencies: [{ currency: 'eur', amount: '45' }] };
const tiers: Priced = {
  included: '10',
  minimum_amount: '5',
  tiers: [tier('10', '1'), tier('', '0.5')],
  currencies: [
    { currency: 'jpy', tiers: [tier('20', '150'), tier('', '75')], minimum_amount: '700' },
    { currency: 'eur', tiers: [tier('', '0.9')], minimum_amount: '4.5' },
  ],
};
const faultsOf = (
  prices: readonly Priced[],
  version: Priced = {},
  own: string | null = 'usd',
): (readonly [string, string])[] =>
  currencyFaults({ ...version, prices }, own).map(({ field, code }) => [field, code]);

describe('prices in other currencies', () => {
  it('have the terms of the price but for its money', () => {
    const version = {
      minimum_amount: '100',
      prices: [
        { ...base, currencies: [...(base.currencies ?? []), { currency: 'jpy', amount: '7000' }] },
        tiers,
      ],
      currencies: [
        { currency: 'eur', minimum_amount: '90' },
        { currency: 'jpy', minimum_amount: '15000' },
      ],
    };
    expect(currencyFaults(version, 'usd')).toEqual([]);
    expect(inOtherCurrencies(version)).toMatchObject([
      {
        currency: 'eur',
        limits: { minimum_amount: '90' },
        prices: [
          { amount: '45' },
          { included: '10', minimum_amount: '4.5', tiers: [{ up_to: null, unit_price: '0.9' }] },
        ],
        places: ['prices.0.currencies.0', 'prices.1.currencies.1', 'currencies.0'],
      },
      {
        currency: 'jpy',
        limits: { minimum_amount: '15000' },
        prices: [{ amount: '7000' }, { minimum_amount: '700', tiers: [{ up_to: '20' }, {}] }],
        places: ['prices.0.currencies.1', 'prices.1.currencies.0', 'currencies.1'],
      },
    ]);
  });

  it('are none where none are named', () => {
    expect(inOtherCurrencies({ prices: [{ amount: '1' }, { percent: '2' }] })).toEqual([]);
    expect(faultsOf([{ amount: '1' }], { minimum_amount: '5' })).toEqual([]);
  });

  it('need not say what is no money', () => {
    expect(faultsOf([base, { percent: '2.5', included: '100' }])).toEqual([]);
    expect(moneyOf({ percent: '2.5', included: '1', minimum_amount: '3' })).toEqual({
      minimum_amount: '3',
    });
  });

  it.each<[string, Priced[], Priced, [string, string][]]>([
    [
      'a price lacks one',
      [base, { amount: '1' }],
      {},
      [['prices.1.currencies', 'missing_currency']],
    ],
    ['limits lack one', [base], { minimum_amount: '9' }, [['currencies', 'missing_currency']]],
    [
      'a share with a limit lacks one',
      [base, { percent: '1', maximum_amount: '9' }],
      {},
      [['prices.1.currencies', 'missing_currency']],
    ],
    [
      "it is the plan's own",
      [{ amount: '1', currencies: [{ currency: 'usd', amount: '1' }] }],
      {},
      [['prices.0.currencies.0.currency', 'duplicate_currency']],
    ],
    [
      'it is said twice',
      [
        {
          amount: '1',
          currencies: [
            { currency: 'eur', amount: '1' },
            { currency: 'eur', amount: '2' },
          ],
        },
      ],
      {},
      [['prices.0.currencies.1.currency', 'duplicate_currency']],
    ],
    [
      'it lacks money, and has other',
      [{ unit_price: '1', currencies: [{ currency: 'eur', amount: '1' }] }],
      {},
      [
        ['prices.0.currencies.0.unit_price', 'missing'],
        ['prices.0.currencies.0.amount', 'unknown_field'],
      ],
    ],
    [
      'it lacks a limit',
      [
        {
          unit_price: '1',
          minimum_amount: '1',
          currencies: [{ currency: 'eur', unit_price: '1' }],
        },
      ],
      {},
      [['prices.0.currencies.0.minimum_amount', 'missing']],
    ],
    [
      'it has a limit that the version has not',
      [base],
      { currencies: [{ currency: 'eur', maximum_amount: '1' }] },
      [['currencies.0.maximum_amount', 'unknown_field']],
    ],
  ])('are refused when %s', (_, prices, version, expected) => {
    expect(faultsOf(prices, version)).toEqual(expected);
  });

  it('are refused where their money cannot be charged, by the field of the request', () => {
    const prices: NewPrice[] = [
      { key: 'base', ...readAmountTerms('flat', { amount: '1.5' }) },
      {
        ...{ key: 'used', meter: 'used' },
        ...readUsageTerms('graduated', {
          tiers: [tier('5', '1'), tier('4', '1'), tier('', '1')],
          ...{ minimum_amount: '9', maximum_amount: '8' },
        }),
      },
      { key: 'minimum_amount', ...readAmountTerms('minimum', { amount: '0.5' }) },
      { key: 'maximum_amount', ...readAmountTerms('maximum', { amount: '0' }) },
    ];
    const places = ['prices.0.currencies.1', 'prices.1.currencies.0', 'currencies.0'];
    expect(moneyFaults(prices, 'jpy', places).map(({ field, code }) => [field, code])).toEqual([
      ['prices.0.currencies.1.amount', 'not_chargeable'],
      ['prices.1.currencies.0.tiers.1.up_to', 'not_ascending'],
      ['prices.1.currencies.0.maximum_amount', 'below_minimum'],
      ['currencies.0.minimum_amount', 'not_chargeable'],
      ['currencies.0.maximum_amount', 'below_minimum'],
    ]);
    // Of a price that says nothing in the currency, the place is the price itself.
    expect(moneyFaults(prices.slice(0, 1), 'jpy', ['prices.0', ''])[0]?.field).toBe(
      'prices.0.amount',
    );
  });
});
