/* What a preview is told to suppose, as quantities of prices: pure. */
import { type Decimal } from '../../kernel/decimal.js';
import { type FieldError } from '../../kernel/errors.js';
import { type Price } from '../../pricing/plan.js';

/** A quantity of the whole period, of one price or of every price of a meter. */
export interface SupposedUsage {
  readonly of:
    /** The key of a price. */
    | { readonly kind: 'price'; readonly price: string }
    /** Null when there is no meter of the name that was given. */
    | { readonly kind: 'meter'; readonly meterId: string | null };
  readonly quantity: Decimal;
}

/**
 * Quantities by the id of the price. What is said of a price goes before what is said of its meter.
 *
 * @returns what is wrong, by field, when anything is
 */
export function quantitiesByPrice(
  supposed: readonly SupposedUsage[],
  prices: readonly Price[],
): { readonly quantities: Map<string, Decimal>; readonly errors: readonly FieldError[] } {
  const quantities = new Map<string, Decimal>();
  const errors: FieldError[] = [];
  const named = new Set<string>();
  const meant = supposed.map((usage, index) => ({ usage, index, prices: pricesOf(usage, prices) }));
  for (const { usage, index, prices: own } of meant) {
    const { kind } = usage.of;
    const name = kind === 'price' ? usage.of.price : (usage.of.meterId ?? '');
    const field = `quantities.${index}.${kind}`;
    if (own.length === 0) {
      const detail = `the plan has no price of usage ${kind === 'price' ? 'with this key' : 'by this meter'}`;
      errors.push({ field, code: `unknown_${kind}`, detail });
    } else if (named.has(`${kind} ${name}`)) {
      errors.push({ field, code: 'duplicate', detail: 'is supposed before already' });
    }
    named.add(`${kind} ${name}`);
  }
  const meters = meant.filter(({ usage }) => usage.of.kind === 'meter');
  const single = meant.filter(({ usage }) => usage.of.kind === 'price');
  for (const { usage, prices: own } of [...meters, ...single]) {
    own.forEach((price) => quantities.set(price.id, usage.quantity));
  }
  return { quantities, errors };
}

function pricesOf({ of }: SupposedUsage, prices: readonly Price[]): readonly Price[] {
  return prices.filter(
    (price) =>
      price.kind === 'usage' &&
      (of.kind === 'price' ? price.key === of.price : price.meterId === of.meterId),
  );
}
