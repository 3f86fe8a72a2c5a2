import { Injectable } from '@nestjs/common';
import { notFound } from '../kernel/errors.js';
import { type Page } from '../platform/http/page.js';
import { type ClosingCheck } from './closing-check.js';
import {
  type CurrentPlan,
  type Plan,
  type PlanVersion,
  type Price,
  type SoldVersion,
} from './plan.js';
import { PlansStore } from './plans.store.js';

const MAX_PLANS_KEPT = 10_000;
/** Of a few kilobytes each. */
const MAX_VERSIONS_KEPT = 1_000;
const MAX_PRICES_KEPT = 10_000;

/** What other features may ask about plans. */
@Injectable()
export class PlansReader {
  /** Plans by their ids, as they were read: none is ever changed. */
  private readonly plans = new Map<string, Plan>();
  /** Their versions, likewise. */
  private readonly versions = new Map<string, PlanVersion>();
  /** Their prices, likewise. */
  private readonly prices = new Map<string, Price>();

  constructor(private readonly store: PlansStore) {}

  /** The plan named by our id or by key; throws not_found. */
  async get(idOrKey: string): Promise<Plan> {
    const plan = await this.store.find(idOrKey);
    if (plan === null) {
      throw notFound('plan', idOrKey);
    }
    return plan;
  }

  /** The same, or null. */
  async find(idOrKey: string): Promise<Plan | null> {
    return await this.store.find(idOrKey);
  }

  /** Those that exist among `ids`, by id. */
  async byIds(ids: readonly string[]): Promise<ReadonlyMap<string, Plan>> {
    return await keeping(
      this.plans,
      MAX_PLANS_KEPT,
      ids,
      async (unknown) => await this.store.findMany(unknown),
    );
  }

  /** The plan of an id; throws not_found. */
  async byId(id: string): Promise<Plan> {
    const plan = (await this.byIds([id])).get(id);
    if (plan === undefined) {
      throw notFound('plan', id);
    }
    return plan;
  }

  /** Plans, newest first, each with its latest version. */
  async list(limit: number, before: string | null): Promise<Page<CurrentPlan>> {
    const page = await this.store.list(limit, before);
    const versions = await this.store.findLatest(page.items.map((plan) => plan.id));
    const sold = await this.withOthers(versions);
    const items = page.items.flatMap((plan) => {
      const latest = versions.find((version) => version.planId === plan.id);
      const others = sold.find((version) => version.planId === plan.id)?.others ?? [];
      return latest === undefined ? [] : [{ plan, latest, others }];
    });
    return { items, nextCursor: page.nextCursor };
  }

  /**
   * What the plan charges in a currency, with prices: by its newest version, or one by its number.
   *
   * @returns null when there is no such version, or it has no prices in the currency
   */
  async findVersionIn(
    planId: string,
    currency: string,
    number: number | null = null,
  ): Promise<PlanVersion | null> {
    return await this.store.findVersionIn(planId, currency, number);
  }

  /**
   * What the plan charged in a currency at an instant, with prices: the newest version made by then, or
   * the first one; throws not_found when there is none.
   */
  async versionAt(planId: string, currency: string, instant: Date): Promise<PlanVersion> {
    const id = await this.store.findIdAt(planId, currency, instant);
    if (id === null) {
      throw notFound('plan', planId);
    }
    return await this.version(id);
  }

  /** One version with its prices; throws not_found. */
  async version(id: string): Promise<PlanVersion> {
    const version = (await this.versionsByIds([id])).get(id);
    if (version === undefined) {
      throw notFound('plan version', id);
    }
    return version;
  }

  /** What has to be in order before a period of the version closes; throws not_found. */
  async closingChecksOf(versionId: string): Promise<readonly ClosingCheck[]> {
    const { closingChecks } = await this.version(versionId);
    return closingChecks;
  }

  /** Those that exist among the versions, by id. */
  async versionsByIds(ids: readonly string[]): Promise<ReadonlyMap<string, PlanVersion>> {
    return await keeping(
      this.versions,
      MAX_VERSIONS_KEPT,
      ids,
      async (unknown) => await this.store.findVersions(unknown),
    );
  }

  /** The versions of a plan, newest first, each in all its currencies. */
  async versionsOf(planId: string): Promise<SoldVersion[]> {
    return await this.withOthers(await this.store.listVersions(planId));
  }

  /** Those that exist among the prices, by id. */
  async pricesByIds(ids: readonly string[]): Promise<ReadonlyMap<string, Price>> {
    return await keeping(
      this.prices,
      MAX_PRICES_KEPT,
      ids,
      async (unknown) => await this.store.findPrices(unknown),
    );
  }

  private async withOthers(versions: readonly PlanVersion[]): Promise<SoldVersion[]> {
    const others = await this.store.findOthers(versions);
    return versions.map((version) => ({
      ...version,
      others: others.filter(
        (other) => other.planId === version.planId && other.version === version.version,
      ),
    }));
  }
}

/** Those of `ids` that exist: from what was kept, and what is not there as it is read, which is kept then. */
async function keeping<Value extends { readonly id: string }>(
  kept: Map<string, Value>,
  max: number,
  ids: readonly string[],
  read: (unknown: readonly string[]) => Promise<readonly Value[]>,
): Promise<ReadonlyMap<string, Value>> {
  const known = new Map<string, Value>();
  const unknown = new Set<string>();
  for (const id of ids) {
    const value = kept.get(id);
    if (value === undefined) {
      unknown.add(id);
    } else {
      known.set(id, value);
    }
  }
  for (const value of unknown.size === 0 ? [] : await read([...unknown])) {
    known.set(value.id, value);
    if (kept.size >= max) {
      kept.clear();
    }
    kept.set(value.id, value);
  }
  return known;
}
