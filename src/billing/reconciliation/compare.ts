/*
 * Compares one invoice of ours, line by line, with what Stripe has of it. Pure. Whatever makes the sums
 * of the two sides differ is in exactly one of the differences, so that they explain the gap to the cent.
 */
import { lineItemStateOn } from '../invoices/invoice.js';
import { type DifferenceClass, type Found, type Money } from './difference.js';
import { repairOf } from './propose-repair.js';
import {
  type Context,
  headOf,
  isEditable,
  isSame,
  type LedgerInvoice,
  type LedgerLine,
  type Pair,
  type SeenInvoice,
  type SeenItem,
  type StripeSide,
} from './sides.js';
import { addTo, type Sums } from './totals.js';

export interface Comparison {
  readonly found: readonly Found[];
  /** What the ledger bills by currency, and what Stripe does. */
  readonly ledger: Sums;
  readonly stripe: Sums;
}

/** Compares our invoice with Stripe; what is voided counts on neither side. Items that are not its own are passed over. */
export function compareInvoice(ours: LedgerInvoice, side: StripeSide): Comparison {
  const found: Found[] = [];
  const [ledger, stripe]: [Map<string, bigint>, Map<string, bigint>] = [new Map(), new Map()];
  for (const line of ours.lines) {
    const own = side.items.filter((item) => ownerOf(ours.lines, item) === line);
    const kept = pick(own, { line, ours, side });
    const [billed, asked] = [billedBy(line), kept === null ? null : askedBy(kept, side)];
    addTo(ledger, billed);
    addTo(stripe, asked);
    const difference = differenceOf({ line, kept, billed, asked }, { ours, side });
    found.push(...(difference === null ? [] : [difference]));
    for (const extra of own.filter((item) => item !== kept && isBilled(item, side))) {
      addTo(stripe, askedBy(extra, side));
      found.push(surplus('duplicate', extra, side));
    }
  }
  const second = [...side.invoices.values()].filter(
    (invoice) => invoice.named === ours.id && invoice.id !== ours.stripeInvoiceId,
  );
  found.push(...second.flatMap((invoice) => surplusInvoice('duplicate', invoice)));
  const head = headOf(ours, side);
  for (const credited of [...(head === null ? [] : [head]), ...second].flatMap(creditsOf)) {
    addTo(stripe, credited.theirs);
    found.push(credited);
  }
  return { found, ledger, stripe };
}

/**
 * What Stripe has under our names of which nothing is known here.
 *
 * @param isUnknown whether an item or invoice of Stripe's is such a one
 */
export function compareOrphans(
  side: StripeSide,
  isUnknown: (object: SeenItem | SeenInvoice) => boolean,
): Comparison {
  const stripe = new Map<string, bigint>();
  const items = side.items.filter((item) => isUnknown(item) && isBilled(item, side));
  const invoices = [...side.invoices.values()].filter(isUnknown);
  const credits = invoices.flatMap(creditsOf);
  for (const money of [...items.map((item) => askedBy(item, side)), ...credits.map(theirsOf)]) {
    addTo(stripe, money);
  }
  return {
    found: [
      ...items.map((item) => surplus('orphan', item, side)),
      ...invoices.flatMap((invoice) => surplusInvoice('orphan', invoice)),
      ...credits,
    ],
    ledger: new Map(),
    stripe,
  };
}

/** Whose item it is: that of the line item which knows its id, whatever its metadata says by now; else of the one it names. */
function ownerOf(lines: readonly LedgerLine[], item: SeenItem): LedgerLine | undefined {
  return (
    lines.find((line) => line.stripeInvoiceItemId === item.id) ??
    lines.find((line) => line.id === item.named)
  );
}

/** Of several items the one that stands for the line item: the others are too many. */
function pick(
  items: readonly SeenItem[],
  { line, ours, side }: Context & { readonly line: LedgerLine },
): SeenItem | null {
  const merits: ((item: SeenItem) => boolean)[] = [
    (item) => askedBy(item, side) !== null,
    (item) => item.creditedMinor === 0n,
    (item) => item.id === line.stripeInvoiceItemId,
    (item) => isSame(item, line) && item.invoice === ours.stripeInvoiceId,
    (item) => item.invoice === ours.stripeInvoiceId,
    (item) => isSame(item, line),
  ];
  const [best] = merits.reduce<readonly SeenItem[]>((left, has) => {
    const better = left.filter(has);
    return better.length === 0 ? left : better;
  }, items);
  return best ?? null;
}

/** What the ledger bills: nothing of what was voided. */
function billedBy(line: LedgerLine): Money | null {
  return line.state === 'void' ? null : moneyOf(line);
}

/** What Stripe bills: nothing of what is on a voided invoice, and what credit notes leave of the rest. */
function askedBy(item: SeenItem, { invoices }: StripeSide): Money | null {
  const { amountMinor, creditedMinor, currency } = item;
  const isVoid = item.invoice !== null && invoices.get(item.invoice)?.status === 'void';
  return isVoid ? null : { amountMinor: amountMinor - creditedMinor, currency };
}

/** Whether Stripe still asks anything for an item: one that is credited in full is as if it were not there. */
function isBilled(item: SeenItem, side: StripeSide): boolean {
  const asked = askedBy(item, side);
  return asked !== null && (item.creditedMinor === 0n || asked.amountMinor !== 0n);
}

const theirsOf = ({ theirs }: Found): Money | null => theirs;

const moneyOf = ({ amountMinor, currency }: Money): Money => ({ amountMinor, currency });

function differenceOf(pair: Pair, context: Context): Found | null {
  const { line, kept, billed, asked } = pair;
  const { ours } = context;
  const reason = reasonOf(pair, context);
  return reason === null
    ? null
    : {
        class: reason.class,
        repair: repairOf(reason.class, pair, context),
        lineItemId: line.id,
        stripeId: kept?.id ?? null,
        stripeInvoiceId: kept === null ? ours.stripeInvoiceId : kept.invoice,
        ours: billed,
        theirs: asked,
        detail: reason.detail,
      };
}

interface Reason {
  readonly class: DifferenceClass;
  readonly detail: string;
}

function reasonOf({ line, kept, billed, asked }: Pair, { ours, side }: Context): Reason | null {
  if (kept === null) {
    return billed === null ? null : absence(line, ours);
  }
  if (asked === null) {
    return billed === null
      ? null
      : {
          class: 'voided',
          detail: `Stripe's invoice ${String(kept.invoice)} is void, and the line item is ${line.state}.`,
        };
  }
  if (billed === null) {
    return isBilled(kept, side)
      ? { class: 'state', detail: 'The line item is void, and Stripe still bills it.' }
      : null;
  }
  if (asked.currency !== billed.currency) {
    return {
      class: 'currency',
      detail: `Stripe has it in ${asked.currency} instead of ${billed.currency}.`,
    };
  }
  if (asked.amountMinor !== billed.amountMinor && kept.creditedMinor !== 0n) {
    return {
      class: 'credited',
      detail: `Stripe has ${kept.amountMinor}, of which credit notes take ${kept.creditedMinor}, instead of ${billed.amountMinor} minor units.`,
    };
  }
  if (asked.amountMinor !== billed.amountMinor) {
    return {
      class: 'amount',
      detail: `Stripe has ${asked.amountMinor} instead of ${billed.amountMinor} minor units.`,
    };
  }
  return editing(line, kept, ours) ?? standing(line, { ours, side });
}

function absence(line: LedgerLine, ours: LedgerInvoice): Reason {
  if (line.stripeInvoiceItemId === null && ours.state !== 'deleted') {
    return { class: 'missing', detail: 'Stripe does not have it.' };
  }
  return {
    class: 'deleted',
    detail: `Stripe had it (${line.stripeInvoiceItemId ?? 'on its draft'}), and has it no longer.`,
  };
}

function editing(line: LedgerLine, kept: SeenItem, ours: LedgerInvoice): Reason | null {
  const known = line.stripeInvoiceItemId;
  const faults = [
    kept.invoice === ours.stripeInvoiceId
      ? null
      : `it is on ${kept.invoice ?? 'no invoice'} instead of ${ours.stripeInvoiceId ?? 'none'}`,
    known === null || kept.id === known ? null : `it stands in the place of ${known}`,
    kept.named === line.id ? null : 'its metadata does not name the line item',
    kept.description === line.description ? null : 'its description is another one',
  ].filter((fault) => fault !== null);
  return faults.length === 0
    ? null
    : { class: 'edited', detail: `Somebody changed the item: ${faults.join('; ')}.` };
}

/** The money is right; only where the two stand is not. */
function standing(line: LedgerLine, { ours, side }: Context): Reason | null {
  const head = headOf(ours, side);
  const expected = head === null ? null : lineItemStateOn(head.status);
  return expected === null || line.state === expected
    ? null
    : {
        class: 'state',
        detail: `Stripe's invoice is ${String(head?.status)}, and the line item is ${line.state} instead of ${expected}.`,
      };
}

/** An item that should not be there. */
function surplus(which: 'duplicate' | 'orphan', item: SeenItem, side: StripeSide): Found {
  const detail =
    which === 'duplicate'
      ? `Stripe has it once more on ${item.invoice ?? 'no invoice'}.`
      : `Its metadata names the line item ${item.named ?? ''}, which does not exist.`;
  return {
    class: which,
    repair: isEditable(item, side) ? 'delete_item' : 'by_hand',
    lineItemId: item.named,
    stripeId: item.id,
    stripeInvoiceId: item.invoice,
    ours: null,
    theirs: askedBy(item, side),
    detail,
  };
}

/** What credit notes take of an invoice as a whole: no line item can be told that it is about. */
function creditsOf({ id, status, credits }: SeenInvoice): Found[] {
  return (status === 'void' ? [] : credits).map((credit) => ({
    class: 'credited',
    repair: 'by_hand',
    lineItemId: null,
    stripeId: credit.id,
    stripeInvoiceId: id,
    ours: null,
    theirs: { amountMinor: -credit.amountMinor, currency: credit.currency },
    detail: `The credit note takes ${credit.amountMinor} minor units of the invoice, without naming its lines.`,
  }));
}

/** A draft that should not be there; its items are differences of their own, and so are those of a final one. */
function surplusInvoice(which: 'duplicate' | 'orphan', invoice: SeenInvoice): Found[] {
  const detail =
    which === 'duplicate'
      ? `It is a second draft of the invoice ${invoice.named ?? ''}.`
      : `Its metadata names the invoice ${invoice.named ?? ''}, which does not exist.`;
  return invoice.status !== 'draft'
    ? []
    : [
        {
          class: which,
          repair: invoice.foreignCount === 0 ? 'delete_invoice' : 'by_hand',
          lineItemId: null,
          stripeId: invoice.id,
          stripeInvoiceId: invoice.id,
          ours: null,
          theirs: null,
          detail,
        },
      ];
}
