/*
 * Prices of a plan version in other currencies than the plan's own: each says anew what of it is money,
 * and nothing else. Pure; works on what requests say, and tells every fault of it by its field.
 */
import { type FieldError } from '../kernel/errors.js';
import { type TermsText } from './price-terms.js';

/** What of the terms is money, and so said for each currency. */
const MONEY_FIELDS = [
  'amount',
  'unit_price',
  'tiers',
  'package_price',
  'minimum_amount',
  'maximum_amount',
] as const satisfies readonly (keyof TermsText)[];

export type MoneyText = Pick<TermsText, (typeof MONEY_FIELDS)[number]>;

/** What costs something, in the plan's currency and in others. */
interface Priced extends MoneyText {
  readonly currencies?: readonly (MoneyText & { readonly currency: string })[];
}

/** A plan version as it is asked for: the limits of an invoice, and its prices. */
export interface PricedVersion<Price extends Priced> extends Priced {
  readonly prices: readonly Price[];
}

/** The same in one of the other currencies. */
export interface VersionText<Price> {
  readonly currency: string;
  readonly limits: MoneyText;
  readonly prices: readonly Price[];
  /** Where the request says it: of each price, and last of the limits; such as `prices.0.currencies.1`. */
  readonly places: readonly string[];
}

/** Something with terms in currencies, and where it stands in the request: `` or `prices.0.`. */
interface Owner {
  readonly priced: Priced;
  readonly prefix: string;
}

/**
 * A version in each of its other currencies, in the order in which they are first named. Terms that a
 * price has not said in a currency are those of the plan's own; `currencyFaults` refuses that of money.
 */
export function inOtherCurrencies<Price extends Priced>(
  version: PricedVersion<Price>,
): VersionText<Price>[] {
  const { minimum_amount: minimum, maximum_amount: maximum } = version;
  const limits = {
    ...(minimum !== undefined && { minimum_amount: minimum }),
    ...(maximum !== undefined && { maximum_amount: maximum }),
  };
  return currenciesOf(ownersOf(version)).map((currency) => ({
    currency,
    limits: { ...limits, ...moneyIn(version, currency) },
    prices: version.prices.map((price) => ({ ...price, ...moneyIn(price, currency) })),
    places: [
      ...version.prices.map((price, index) => placeOf(price, `prices.${index}`, currency)),
      placeOf(version, '', currency),
    ],
  }));
}

/** What of the terms of a price is money. */
export function moneyOf(terms: TermsText): MoneyText {
  return Object.fromEntries(
    Object.entries(terms).filter(([field]) => MONEY_FIELDS.some((money) => money === field)),
  );
}

/**
 * What is wrong with the other currencies of a version: each is named once, by everything that has
 * money in it, with the same fields as in the plan's own.
 *
 * @param own the plan's own currency; null where the request need not say it
 */
export function currencyFaults<Price extends Priced>(
  version: PricedVersion<Price>,
  own: string | null,
): FieldError[] {
  const owners = ownersOf(version);
  const named = currenciesOf(owners);
  return owners.flatMap((owner) => ownerFaults(owner, own, named));
}

function ownersOf<Price extends Priced>(version: PricedVersion<Price>): Owner[] {
  return [
    ...version.prices.map((priced, index) => ({ priced, prefix: `prices.${index}.` })),
    { priced: version, prefix: '' },
  ];
}

function currenciesOf(owners: readonly Owner[]): string[] {
  const all = owners.flatMap(({ priced }) => priced.currencies ?? []);
  return [...new Set(all.map(({ currency }) => currency))];
}

function moneyIn({ currencies = [] }: Priced, currency: string): MoneyText {
  const found = currencies.find((one) => one.currency === currency);
  if (found === undefined) {
    return {};
  }
  const { currency: _, ...money } = found;
  return money;
}

function placeOf({ currencies = [] }: Priced, path: string, currency: string): string {
  const index = currencies.findIndex((one) => one.currency === currency);
  return [path, ...(index < 0 ? [] : [`currencies.${index}`])]
    .filter((part) => part !== '')
    .join('.');
}

function ownerFaults(
  { priced, prefix }: Owner,
  own: string | null,
  named: readonly string[],
): FieldError[] {
  const given = priced.currencies ?? [];
  const fields = moneyFieldsOf(priced);
  const missing = named.filter((currency) => given.every((one) => one.currency !== currency));
  return [
    ...given.flatMap((entry, index) => {
      const place = `${prefix}currencies.${index}.`;
      const isRepeated = given.findIndex((one) => one.currency === entry.currency) < index;
      return entry.currency === own || isRepeated
        ? [repeatedCurrency(`${place}currency`, entry.currency)]
        : entryFaults(fields, moneyFieldsOf(entry), place);
    }),
    ...(fields.length === 0 ? [] : missing).map((currency) => ({
      field: `${prefix}currencies`,
      code: 'missing_currency',
      detail: `must say what it is in ${currency}, in which the plan has other prices`,
    })),
  ];
}

function repeatedCurrency(field: string, currency: string): FieldError {
  return { field, code: 'duplicate_currency', detail: `${currency} is said already` };
}

function entryFaults(
  wanted: readonly string[],
  said: readonly string[],
  place: string,
): FieldError[] {
  return [
    ...wanted
      .filter((field) => !said.includes(field))
      .map((field) => ({
        field: `${place}${field}`,
        code: 'missing',
        detail: "must be given, as in the plan's own currency",
      })),
    ...said
      .filter((field) => !wanted.includes(field))
      .map((field) => ({
        field: `${place}${field}`,
        code: 'unknown_field',
        detail: "must not be given, since there is none in the plan's own currency",
      })),
  ];
}

/** Of the limits and the prices of a version alike: which money they name. */
function moneyFieldsOf(money: MoneyText): string[] {
  return MONEY_FIELDS.filter((field) => money[field] !== undefined);
}
