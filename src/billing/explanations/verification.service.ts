/*
 * Computes a line item again: from raw events as of its cut-off, with the plan version of its period, by
 * the same rating as closing. Records nothing.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { rate } from '../../pricing/rate.js';
import { type MeteredUsage } from '../../usage/usage.reader.js';
import {
  CountedUsageService,
  type CountedUsageSnapshot,
} from '../../usage/counted/counted-usage.service.js';
import { quantityOf } from '../ledger/line-item.js';
import { isPausedWhole, type Measure, RatingService } from '../periods/rating.service.js';
import { billedBefore, type CountedLine, isSameUsage } from './counted-line.js';
import { countedBy, CountedLinesService } from './counted-lines.service.js';
import {
  type Outcome,
  type Recomputed,
  storedOf,
  totalOf,
  type Unverifiable,
  type Verification,
  verdictOf,
} from './verification.js';

const NOTHING = decimal('0');

type Recomputation =
  | { readonly outcome: 'computed'; readonly recomputed: Recomputed }
  | { readonly outcome: 'unverifiable'; readonly reason: Unverifiable };

@Injectable()
export class VerificationService {
  constructor(
    private readonly lines: CountedLinesService,
    private readonly usage: CountedUsageService,
    private readonly rating: RatingService,
  ) {}

  /** Holds a line item against its events and prices; throws not_found, or `too_much`. */
  async verify(id: string): Promise<Verification> {
    return await this.usage.inOneSnapshot(async (snapshot) => {
      const line = await this.lines.get(id);
      const before = line.item.charge.kind === 'adjustment' ? totalOf(settledBefore(line)) : null;
      const result = await this.recompute(line, snapshot);
      return {
        ...line,
        before,
        verdict:
          result.outcome === 'computed' ? verdictOf(line.item, result.recomputed, before) : result,
      };
    });
  }

  /** The whole amount of the price in its period, as of the cut-off of the line item. */
  private async recompute(
    line: CountedLine,
    snapshot: CountedUsageSnapshot,
  ): Promise<Recomputation> {
    const { item, period, price } = line;
    const dropped = new Set<string>();
    const measure: Measure = async (usages) => {
      const quantities = [];
      for (const usage of usages) {
        const counted = countedBy(item, period, { usage });
        const isNeeded = needs(line, usage);
        const months = isNeeded ? await snapshot.droppedMonths(counted) : [];
        months.forEach((month) => dropped.add(month));
        const isThere = isNeeded && months.length === 0;
        quantities.push(isThere ? await snapshot.quantity(counted) : NOTHING);
      }
      return quantities;
    };
    const { currency, lines } = await this.rating.ratePeriod(period, { measure });
    if (dropped.size > 0) {
      const months = [...dropped].toSorted();
      return { outcome: 'unverifiable', reason: { code: 'events_dropped', months } };
    }
    const rated = lines.find((candidate) => candidate.price.id === price.id);
    if (rated !== undefined) {
      const { amountMinor, steps, charge } = rated;
      const quantity = quantityOf(charge);
      return { outcome: 'computed', recomputed: { quantity, amountMinor, currency, steps } };
    }
    // A fee depends on nothing else, whichever period it was charged with.
    if (price.kind === 'flat') {
      const recomputed = { quantity: null, currency, ...rate(price, NOTHING, currency) };
      return { outcome: 'computed', recomputed };
    }
    if (isPausedWhole(period)) {
      // What was billed before the pause was known is given back.
      const quantity = price.kind === 'usage' ? NOTHING : null;
      const recomputed = { quantity, currency, amountMinor: 0n, steps: [] };
      return { outcome: 'computed', recomputed };
    }
    return { outcome: 'unverifiable', reason: { code: 'not_rated' } };
  }
}

/** All that was billed for the price of a line item before it, and that somebody had decided not to bill. */
function settledBefore({ item, ofPeriod, dismissed }: CountedLine): Outcome[] {
  return [
    ...billedBefore(item, ofPeriod).map(storedOf),
    ...dismissed.flatMap(({ lines }) => lines.filter(({ priceId }) => priceId === item.priceId)),
  ];
}

/** Whether a line item depends on a usage: a fee on none, its own on one, a limit on all of the period. */
function needs({ price, measured }: CountedLine, usage: MeteredUsage): boolean {
  switch (price.kind) {
    case 'flat':
      return false;
    case 'usage':
      return measured !== null && isSameUsage(measured.counted.usage, usage);
    case 'minimum':
    case 'maximum':
      return true;
  }
}
