/* Which repair is proposed for a line item that differs: only what cannot bill anybody twice. Pure. */
import { canFollow } from '../invoices/invoice.js';
import { type DifferenceClass, type Repair } from './difference.js';
import {
  type SeenItem,
  type LedgerInvoice,
  type LedgerLine,
  type StripeSide,
  type Pair,
  type Context,
  headOf,
  isEditable,
  isSame,
} from './sides.js';

/** The repair of a line item's difference of this class. */
export function repairOf(differenceClass: DifferenceClass, pair: Pair, context: Context): Repair {
  if (context.ours.state === 'deleted' && headOf(context.ours, context.side) !== null) {
    // What is deleted for the ledger would be billed anew, beside what Stripe still has.
    return 'by_hand';
  }
  switch (differenceClass) {
    case 'missing':
    case 'deleted':
      return repairOfAbsence(pair.line, context);
    case 'amount':
    case 'currency':
    case 'edited':
      return repairOfItem(pair.kept, context);
    case 'voided':
    case 'state':
      return repairOfState(pair, context);
    case 'duplicate':
    case 'orphan':
    case 'credited':
      return 'by_hand';
  }
}

/** Only what has failed is sent again; what Stripe took away from under us fails first. */
function repairOfAbsence(line: LedgerLine, { ours, side }: Context): Repair {
  const head = headOf(ours, side);
  const canFail = line.state === 'failed' || line.state === 'on_invoice';
  if (head === null) {
    const isBehind =
      ours.stripeInvoiceId !== null && ours.state !== 'deleted' && canFollow(ours.state, 'deleted');
    const again = ours.state === 'deleted' ? 'bill_again' : 'send_again';
    const known = line.state === 'failed' ? again : 'by_hand';
    return isBehind ? 'follow' : known;
  }
  if (!canFail) {
    return 'by_hand';
  }
  return head.status === 'draft' ? 'send_again' : 'bill_again';
}

/** What is on a draft, or on none, can be replaced as long as our own draft takes the new one. */
function repairOfItem(kept: SeenItem | null, { ours, side }: Context): Repair {
  const canSend = headOf(ours, side)?.status === 'draft';
  return canSend && kept !== null && isEditable(kept, side) ? 'replace_item' : 'by_hand';
}

function repairOfState({ line, billed }: Pair, { ours, side }: Context): Repair {
  const head = headOf(ours, side);
  if (head === null || billed === null) {
    return 'by_hand';
  }
  if (head.status === 'draft') {
    return line.state === 'failed' ? 'send_again' : 'by_hand';
  }
  const isBehind = ours.state !== head.status || isCarried(line, ours, side);
  return isBehind && canFollow(ours.state, head.status) ? 'follow' : 'by_hand';
}

/** Whether a line item follows an invoice that the ledger has followed already: only one that is on it once, as it should be. */
function isCarried(line: LedgerLine, ours: LedgerInvoice, { items }: StripeSide): boolean {
  const named = items.filter(
    (item) => item.invoice === ours.stripeInvoiceId && item.named === line.id,
  );
  const [first] = named;
  return named.length === 1 && first !== undefined && isSame(first, line);
}
