import { type MessageData } from '../../webhooks/catalogue/catalogue.js';
import { type DifferenceClass } from './difference.js';
import { type Reconciliation } from './reconciliation.js';
import { shown } from './totals.js';

/** What a reconciliation came to in one currency, as people write it and in minor units. */
export interface TotalsShown {
  readonly currency: string;
  readonly ledger: string;
  readonly ledger_minor: number;
  readonly stripe: string;
  readonly stripe_minor: number;
  readonly gap: string;
  readonly gap_minor: number;
  readonly in_flight: string;
  readonly in_flight_minor: number;
  readonly in_flight_count: number;
  readonly not_ours: string;
  readonly not_ours_minor: number;
  readonly not_ours_count: number;
}

/** The totals of a reconciliation, by currency in the order of the alphabet. */
export function showTotals({ totals }: Pick<Reconciliation, 'totals'>): TotalsShown[] {
  return [...totals]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([currency, sums]) => {
      const gap = sums.stripeMinor - sums.ledgerMinor;
      return {
        currency,
        ledger: shown(sums.ledgerMinor, currency),
        ledger_minor: Number(sums.ledgerMinor),
        stripe: shown(sums.stripeMinor, currency),
        stripe_minor: Number(sums.stripeMinor),
        gap: shown(gap, currency),
        gap_minor: Number(gap),
        in_flight: shown(sums.inFlightMinor, currency),
        in_flight_minor: Number(sums.inFlightMinor),
        in_flight_count: sums.inFlightCount,
        not_ours: shown(sums.notOursMinor, currency),
        not_ours_minor: Number(sums.notOursMinor),
        not_ours_count: sums.notOursCount,
      };
    });
}

/** What endpoints are told of a reconciliation that has ended. */
export function toMessage(
  reconciliation: Reconciliation,
  counts: Readonly<Partial<Record<DifferenceClass, number>>>,
): MessageData<'reconciliation.completed'> {
  return {
    reconciliation: reconciliation.id,
    from: reconciliation.window.start.toISOString(),
    to: reconciliation.window.end.toISOString(),
    night: reconciliation.night,
    invoice_count: reconciliation.invoiceCount,
    line_item_count: reconciliation.lineItemCount,
    difference_count: reconciliation.differenceCount,
    accepted_count: reconciliation.acceptedCount,
    differences: counts,
    totals: showTotals(reconciliation),
  };
}
