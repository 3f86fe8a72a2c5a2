/* Finds what is to be judged of customers: the thresholds that watch them, and their periods. Reads only. */
import { Injectable } from '@nestjs/common';
import { PeriodsService } from '../periods/periods.service.js';
import { type LeasedDue } from './dues.store.js';
import {
  type JudgedPeriod,
  type Target,
  targetsOf,
  wakesAt,
  WatchingThresholds,
} from './target.js';
import { ThresholdsStore } from './thresholds.store.js';

/** Periods that have begun while the one before them waits to be closed, of one subscription. */
const MAX_AHEAD = 24;

export interface FoundTargets {
  readonly targets: readonly Target[];
  /** When customers are to be judged again, of whom something waits, by their ids. */
  readonly waits: ReadonlyMap<string, Date>;
  /**
   * Until when the same is found of customers, unless a row changes by which it is; null: for ever. Those
   * are left out of whom a period is judged that is not opened yet, since plans may change it.
   */
  readonly holdsUntil: ReadonlyMap<string, Date | null>;
}

@Injectable()
export class TargetsService {
  constructor(
    private readonly thresholds: ThresholdsStore,
    private readonly periods: PeriodsService,
  ) {}

  /** In the caller's snapshot; as many as thresholds watch these customers, however many there are. */
  async find(dues: readonly LeasedDue[], now: Date): Promise<FoundTargets> {
    const periods = await this.judgedPeriods(
      dues.map(({ customerId }) => customerId),
      now,
    );
    const planIds = new Set(periods.map(({ period }) => period.subscription.planId));
    const thresholds = new WatchingThresholds(
      await this.thresholds.listWatching(
        dues.map(({ customerId }) => customerId),
        [...planIds],
      ),
    );
    const owned = new Map<string, JudgedPeriod[]>();
    for (const judged of periods) {
      const { customerId } = judged.period.subscription;
      owned.set(customerId, [...(owned.get(customerId) ?? []), judged]);
    }
    const ownedBy = ({ customerId }: LeasedDue): readonly JudgedPeriod[] =>
      owned.get(customerId) ?? [];
    return {
      targets: dues.flatMap((due) => targetsOf(due, thresholds, ownedBy(due), now)),
      waits: new Map(
        dues.flatMap((due) => {
          const at = wakesAt(due, thresholds, ownedBy(due), now);
          return at === null ? [] : [[due.customerId, at] as const];
        }),
      ),
      holdsUntil: new Map(
        dues.flatMap((due) => {
          const own = ownedBy(due);
          const ends = own.map(({ period }) => period.window.end).filter((end) => end > now);
          return own.some(({ isOpened }) => !isOpened)
            ? []
            : [[due.customerId, earliest(ends)] as const];
        }),
      ),
    };
  }

  /** Open periods, and those that have begun behind them: these are opened when the one before is closed. */
  private async judgedPeriods(
    customerIds: readonly string[],
    now: Date,
  ): Promise<readonly JudgedPeriod[]> {
    const open = await this.periods.openOf(customerIds);
    const judged: JudgedPeriod[] = open.map((period) => ({ period, isOpened: true }));
    for (const period of open) {
      let last = period;
      for (let count = 0; count < MAX_AHEAD && last.window.end <= now; count += 1) {
        const { subscription, window, currency } = last;
        const next = await this.periods.periodFrom(subscription, window.end, currency);
        if (next === null) {
          break;
        }
        judged.push({ period: next, isOpened: false });
        last = next;
      }
    }
    return judged;
  }
}

function earliest(instants: readonly Date[]): Date | null {
  return instants.reduce<Date | null>(
    (first, instant) => (first === null || instant < first ? instant : first),
    null,
  );
}
