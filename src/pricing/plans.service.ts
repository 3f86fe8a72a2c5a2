/*
 * Plans and their versions. A version is checked as a whole before any of it is stored: every meter
 * exists and is in use, every amount can be charged in the plan's currency, no key stands twice.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { DomainError, invalidField, notFound } from '../kernel/errors.js';
import { newId } from '../kernel/ids.js';
import { type Meter } from '../meters/meter.js';
import { MetersReader } from '../meters/meters.reader.js';
import { Database } from '../platform/database/database.js';
import { type ClosingCheck, CLOSING_CHECKS } from './closing-check.js';
import {
  type CurrentPlan,
  type LateUsagePolicy,
  type Plan,
  type PlanInterval,
  type PlanVersion,
  type Price,
  type SoldVersion,
} from './plan.js';
import { PlansStore } from './plans.store.js';
import { type Candidate, moneyFaults, type NewPrice, priceFaults } from './price-rules.js';

/** The prices of a version in one currency more; those of the same keys, in the same order. */
export interface PricesInCurrency {
  readonly currency: string;
  readonly prices: readonly NewPrice[];
  /** Where the request says each of them, and last the limits. */
  readonly places: readonly string[];
}

export interface NewPlan {
  readonly key: string;
  readonly name: string;
  readonly currency: string;
  readonly interval: PlanInterval;
  readonly graceSeconds: number;
  /** `next_period` by default. */
  readonly lateUsage?: LateUsagePolicy;
  /** None by default. */
  readonly closingChecks?: readonly ClosingCheck[];
  readonly prices: readonly NewPrice[];
  /** The same prices in other currencies; none by default. */
  readonly others?: readonly PricesInCurrency[];
}

/** What is null stays as it is in the latest version. */
export interface NewVersion {
  readonly currency: string | null;
  readonly interval: PlanInterval | null;
  readonly graceSeconds: number | null;
  readonly lateUsage?: LateUsagePolicy | null;
  readonly closingChecks?: readonly ClosingCheck[] | null;
  readonly prices: readonly NewPrice[];
  /** The same prices in other currencies; all those of the latest version must be among them. */
  readonly others?: readonly PricesInCurrency[];
}

@Injectable()
export class PlansService {
  constructor(
    private readonly store: PlansStore,
    private readonly meters: MetersReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A new plan with its version 1; both or nothing. */
  async create(input: NewPlan): Promise<CurrentPlan> {
    const now = this.clock.now();
    const prices = await this.toPrices(input.prices, input.currency, input.others);
    const plan: Plan = { id: newId('plan'), key: input.key, name: input.name, createdAt: now };
    const latest: PlanVersion = {
      id: newId('planv'),
      planId: plan.id,
      version: 1,
      currency: input.currency,
      interval: input.interval,
      graceSeconds: input.graceSeconds,
      closingChecks: inOrder(input.closingChecks ?? []),
      lateUsage: input.lateUsage ?? 'next_period',
      prices,
      createdAt: now,
    };
    const others = inCurrencies(latest, input.others);
    await this.database.transaction(async () => {
      await this.store.insert(plan);
      await this.store.insertVersion(latest, others);
    });
    return { plan, latest, others };
  }

  /** The next version; billing periods opened from now on use it, those already open keep theirs. */
  async addVersion(idOrKey: string, input: NewVersion): Promise<SoldVersion> {
    return await this.database.transaction(async () => {
      const plan = await this.store.find(idOrKey, 'for update');
      const [latest] = plan === null ? [] : await this.store.findLatest([plan.id]);
      if (latest === undefined) {
        throw notFound('plan', idOrKey);
      }
      if (input.currency !== null && input.currency !== latest.currency) {
        const detail = `must be ${latest.currency}, as in the versions before: customers pay in one currency`;
        throw invalidField('currency', 'currency_changed', detail);
      }
      if (input.interval !== null && input.interval !== latest.interval) {
        const detail = `must be ${latest.interval}, as in the versions before: subscriptions keep their periods`;
        throw invalidField('interval', 'interval_changed', detail);
      }
      await this.requireCurrencies(latest, input.others ?? []);
      const version: PlanVersion = {
        ...latest,
        id: newId('planv'),
        version: latest.version + 1,
        graceSeconds: input.graceSeconds ?? latest.graceSeconds,
        closingChecks: inOrder(input.closingChecks ?? latest.closingChecks),
        lateUsage: input.lateUsage ?? latest.lateUsage,
        prices: await this.toPrices(input.prices, latest.currency, input.others),
        createdAt: this.clock.now(),
      };
      const others = inCurrencies(version, input.others);
      await this.store.insertVersion(version, others);
      return { ...version, others };
    });
  }

  /** Subscriptions go on in the currency that they have. */
  private async requireCurrencies(
    latest: PlanVersion,
    others: readonly PricesInCurrency[],
  ): Promise<void> {
    if (others.some(({ currency }) => currency === latest.currency)) {
      const detail = `${latest.currency} is the plan's own currency`;
      throw invalidField('currencies', 'duplicate_currency', detail);
    }
    const before = await this.store.findOthers([latest]);
    const lost = before.find((one) => others.every(({ currency }) => currency !== one.currency));
    if (lost !== undefined) {
      const detail = `must name ${lost.currency}, as in the version before: customers pay in it`;
      throw invalidField('currencies', 'missing_currency', detail);
    }
  }

  private async toPrices(
    inputs: readonly NewPrice[],
    currency: string,
    others: readonly PricesInCurrency[] = [],
  ): Promise<Price[]> {
    const names = new Set(inputs.flatMap((input) => (input.kind === 'usage' ? [input.meter] : [])));
    const meters = new Map<string, Meter | null>();
    for (const name of names) {
      meters.set(name, await this.meters.find(name));
    }
    const candidates = inputs.map((price) => ({
      price,
      meter: price.kind === 'usage' ? (meters.get(price.meter) ?? null) : null,
    }));
    const errors = [
      ...priceFaults(candidates, currency),
      ...others.flatMap((other) => moneyFaults(other.prices, other.currency, other.places)),
    ];
    if (errors.length > 0) {
      const detail = errors.map((error) => `${error.field}: ${error.detail}`).join('; ');
      throw new DomainError('invalid', 'invalid_request', detail, { errors });
    }
    return candidates.map(toPrice);
  }
}

/** The same version in other currencies; the meters of its prices are found by now. */
function inCurrencies(
  version: PlanVersion,
  others: readonly PricesInCurrency[] = [],
): PlanVersion[] {
  return others.map(({ currency, prices }) => ({
    ...version,
    id: newId('planv'),
    currency,
    prices: prices.map((price, index) => {
      const same = version.prices[index];
      return withMeter(price, same?.kind === 'usage' ? same.meterId : '');
    }),
  }));
}

function inOrder(checks: readonly ClosingCheck[]): ClosingCheck[] {
  return CLOSING_CHECKS.filter((check) => checks.includes(check));
}

function toPrice({ price, meter }: Candidate): Price {
  return withMeter(price, meter?.id ?? '');
}

function withMeter(price: NewPrice, meterId: string): Price {
  const id = newId('price');
  if (price.kind !== 'usage') {
    return { id, ...price };
  }
  const { meter: _, ...terms } = price;
  return { id, ...terms, meterId };
}
