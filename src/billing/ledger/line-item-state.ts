/*
 * Where a line item is on its way to being paid. One table: the types, the guard of the UPDATE and
 * the CHECK in the migration say the same.
 */

/** From each state to those it may move to: forward only, skipping allowed, since news can arrive late. */
const LINE_ITEM_TRANSITIONS = {
  pending: ['sent', 'on_invoice', 'finalized', 'paid', 'uncollectible', 'void', 'failed'],
  sent: ['on_invoice', 'finalized', 'paid', 'uncollectible', 'void', 'failed'],
  on_invoice: ['finalized', 'paid', 'uncollectible', 'void', 'failed'],
  finalized: ['paid', 'uncollectible', 'void'],
  paid: [],
  // Written off at Stripe, and paid or voided after all (docs.stripe.com/invoicing/overview).
  uncollectible: ['paid', 'void'],
  void: [],
  // Waits for a person, who sends it again.
  failed: ['pending'],
} as const satisfies Record<string, readonly string[]>;

export type LineItemState = keyof typeof LINE_ITEM_TRANSITIONS;

export const LINE_ITEM_STATES = Object.keys(LINE_ITEM_TRANSITIONS) as LineItemState[];

/** Whether a line item may go from one state to another. */
export function canAdvance(from: LineItemState, to: LineItemState): boolean {
  return (LINE_ITEM_TRANSITIONS[from] as readonly LineItemState[]).includes(to);
}

/** The states from which a line item may come to this one. */
export function statesBefore(to: LineItemState): LineItemState[] {
  return LINE_ITEM_STATES.filter((from) => canAdvance(from, to));
}
