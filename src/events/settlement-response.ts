import { type RepairState, type Settlement } from './put-aside.js';

/** Sources and reasons that one answer counts: the most frequent ones. */
export const MAX_COUNTS = 1_000;

/** What became of something that was put aside, as the API shows it. */
export function toSettlementResponse(settlement: Settlement): {
  state: RepairState;
  closed_at: string | null;
  closed_by: string | null;
  closed_reason: string | null;
} {
  return settlement.state === 'open'
    ? { state: 'open', closed_at: null, closed_by: null, closed_reason: null }
    : {
        state: settlement.state,
        closed_at: settlement.at.toISOString(),
        closed_by: settlement.by,
        closed_reason: settlement.reason,
      };
}

/** Counts, and whether they are all. */
export function toCountsResponse<Count>(counts: readonly Count[]): {
  data: Count[];
  is_complete: boolean;
} {
  return { data: [...counts], is_complete: counts.length < MAX_COUNTS };
}
