/* One comparison of the ledger with Stripe, and when the nightly one is due. Pure. */
import { type Interval } from '../../kernel/interval.js';
import { type TotalsByCurrency } from './totals.js';

/** Listing both sides, comparing what can be told from the lists, what is on no invoice, and looking again at the rest. */
export const PHASES = [
  'invoices',
  'items',
  'credit_notes',
  'compare',
  'unplaced',
  'recheck',
] as const;

export type Phase = (typeof PHASES)[number];

export type ReconciliationState = 'running' | 'completed' | 'failed';

export interface Reconciliation {
  readonly id: string;
  /** Invoices that were opened here, and invoices and items that were made at Stripe, in this span. */
  readonly window: Interval;
  /** The date of the night it belongs to; null when somebody asked for it. */
  readonly night: string | null;
  readonly state: ReconciliationState;
  readonly phase: Phase;
  /** What was listed or compared last in this phase; null at its beginning. */
  readonly after: string | null;
  /** When the next step is due; of one that is taken, until when. Whoever records must still hold this. */
  readonly nextStepAt: Date;
  /** Calls to Stripe that came to nothing, one after the other. */
  readonly attemptCount: number;
  /** Null but in state failed, and after a call that came to nothing. */
  readonly error: string | null;
  readonly totals: TotalsByCurrency;
  /** Of ours, that were compared. */
  readonly invoiceCount: number;
  readonly lineItemCount: number;
  /** Without those that were accepted before, which `acceptedCount` counts. */
  readonly differenceCount: number;
  readonly acceptedCount: number;
  readonly createdAt: Date;
  /** The id of an API key; null for a nightly one. */
  readonly createdBy: string | null;
  /** Null until it is completed or has failed. */
  readonly finishedAt: Date | null;
}

const DAY_MS = 86_400_000;
/** A year and what comes late to it. */
export const MAX_WINDOW_DAYS = 400;

/** Whether a window is longer than one reconciliation takes. */
export function isTooLong({ start, end }: Interval): boolean {
  return end.getTime() - start.getTime() > MAX_WINDOW_DAYS * DAY_MS;
}

/** A moment some milliseconds after another. */
export function later(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}

export interface Night {
  /** Its date in UTC. */
  readonly date: string;
  readonly window: Interval;
}

/**
 * The nightly reconciliation that is due: of the whole days in UTC before this one.
 *
 * @param hour from when on in the day (UTC); null: never
 * @param days how many of them, so that what happens to an invoice weeks later is still seen
 * @returns null before its hour
 */
export function nightOf(now: Date, hour: number | null, days: number): Night | null {
  if (hour === null || now.getUTCHours() < hour) {
    return null;
  }
  const date = now.toISOString().slice(0, 'yyyy-mm-dd'.length);
  const end = new Date(`${date}T00:00:00Z`);
  return { date, window: { start: new Date(end.getTime() - days * DAY_MS), end } };
}
