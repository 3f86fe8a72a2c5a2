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
  type Plan,
  type PlanInterval,
  type PlanVersion,
  type Price,
} from './plan.js';
import { PlansStore } from './plans.store.js';
import { type Candidate, type NewPrice, priceFaults } from './price-rules.js';

export interface NewPlan {
  readonly key: string;
  readonly name: string;
  readonly currency: string;
  readonly interval: PlanInterval;
  readonly graceSeconds: number;
  /** None by default. */
  readonly closingChecks?: readonly ClosingCheck[];
  readonly prices: readonly NewPrice[];
}

/** What is null stays as it is in the latest version. */
export interface NewVersion {
  readonly currency: string | null;
  readonly interval: PlanInterval | null;
  readonly graceSeconds: number | null;
  readonly closingChecks?: readonly ClosingCheck[] | null;
  readonly prices: readonly NewPrice[];
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
    const prices = await this.toPrices(input.prices, input.currency);
    const plan: Plan = { id: newId('plan'), key: input.key, name: input.name, createdAt: now };
    const latest: PlanVersion = {
      id: newId('planv'),
      planId: plan.id,
      version: 1,
      currency: input.currency,
      interval: input.interval,
      graceSeconds: input.graceSeconds,
      closingChecks: inOrder(input.closingChecks ?? []),
      prices,
      createdAt: now,
    };
    await this.database.transaction(async () => {
      await this.store.insert(plan);
      await this.store.insertVersion(latest);
    });
    return { plan, latest };
  }

  /** The next version; billing periods opened from now on use it, those already open keep theirs. */
  async addVersion(idOrKey: string, input: NewVersion): Promise<PlanVersion> {
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
      const version: PlanVersion = {
        ...latest,
        id: newId('planv'),
        version: latest.version + 1,
        graceSeconds: input.graceSeconds ?? latest.graceSeconds,
        closingChecks: inOrder(input.closingChecks ?? latest.closingChecks),
        prices: await this.toPrices(input.prices, latest.currency),
        createdAt: this.clock.now(),
      };
      await this.store.insertVersion(version);
      return version;
    });
  }

  private async toPrices(inputs: readonly NewPrice[], currency: string): Promise<Price[]> {
    const names = new Set(inputs.flatMap((input) => (input.kind === 'usage' ? [input.meter] : [])));
    const meters = new Map<string, Meter | null>();
    for (const name of names) {
      meters.set(name, await this.meters.find(name));
    }
    const candidates = inputs.map((price) => ({
      price,
      meter: price.kind === 'usage' ? (meters.get(price.meter) ?? null) : null,
    }));
    const errors = priceFaults(candidates, currency);
    if (errors.length > 0) {
      const detail = errors.map((error) => `${error.field}: ${error.detail}`).join('; ');
      throw new DomainError('invalid', 'invalid_request', detail, { errors });
    }
    return candidates.map(toPrice);
  }
}

function inOrder(checks: readonly ClosingCheck[]): ClosingCheck[] {
  return CLOSING_CHECKS.filter((check) => checks.includes(check));
}

function toPrice({ price, meter }: Candidate): Price {
  const id = newId('price');
  if (price.kind !== 'usage') {
    return { id, ...price };
  }
  const { meter: _, ...terms } = price;
  return { id, ...terms, meterId: meter?.id ?? '' };
}
