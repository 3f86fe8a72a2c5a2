import {
  canAdvance,
  LINE_ITEM_STATES,
  type LineItemState,
  statesBefore,
} from '../../src/billing/ledger/line-item-state.js';

/** The allowed pairs, written out once more by another rule: how far along each state is. */
const STAGE: Record<LineItemState, number> = {
  pending: 0,
  sent: 1,
  on_invoice: 2,
  finalized: 3,
  uncollectible: 4,
  paid: 5,
  void: 5,
  failed: -1,
};

function isAllowed(from: LineItemState, to: LineItemState): boolean {
  if (from === 'failed') {
    return to === 'pending';
  }
  return to === 'failed' ? STAGE[from] <= 2 : STAGE[to] > STAGE[from];
}

const pairs = LINE_ITEM_STATES.flatMap((from) => LINE_ITEM_STATES.map((to) => [from, to] as const));

describe('the states of a line item', () => {
  it('are those of the table', () => {
    expect(LINE_ITEM_STATES.toSorted()).toEqual(Object.keys(STAGE).toSorted());
  });

  it.each(pairs)('%s → %s', (from, to) => {
    expect(canAdvance(from, to)).toBe(isAllowed(from, to));
    expect(statesBefore(to).includes(from)).toBe(isAllowed(from, to));
  });
});
