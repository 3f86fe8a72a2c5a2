/* What was accepted of a difference: pure. */
import { createHash } from 'node:crypto';
import { type Found } from './difference.js';

/** Somebody said that a difference may stay, and why. */
export interface Acceptance {
  readonly reason: string;
  /** The id of an API key. */
  readonly by: string;
  readonly at: Date;
}

/**
 * Stands for all that a difference says, so that one that changes in anything is another one: what was
 * accepted was a figure that somebody saw.
 */
export function fingerprintOf(found: Found): string {
  const { class: which, lineItemId, stripeId, stripeInvoiceId, ours, theirs, detail } = found;
  const money = [ours, theirs].map((one) => one && [one.amountMinor.toString(), one.currency]);
  const text = JSON.stringify([which, lineItemId, stripeId, stripeInvoiceId, money, detail]);
  return createHash('sha256').update(text).digest('hex');
}
