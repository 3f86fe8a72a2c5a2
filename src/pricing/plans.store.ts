/*
 * Owns plans, plan_versions and prices. Versions and prices are inserted and never updated, so that
 * whatever was charged by them can be computed again.
 */
import { Injectable } from '@nestjs/common';
import { conflict } from '../kernel/errors.js';
import { Database } from '../platform/database/database.js';
import { violates } from '../platform/database/pg-errors.js';
import { type Page, toPage } from '../platform/http/page.js';
import { type ClosingCheck } from './closing-check.js';
import {
  type LateUsagePolicy,
  type Plan,
  type PlanInterval,
  type PlanVersion,
  type Price,
  type PricingModel,
} from './plan.js';
import {
  modelOf,
  readAmountTerms,
  readUsageTerms,
  type TermsText,
  termsText,
} from './price-terms.js';

/** Versions that one answer shows at most; a plan that changes weekly fills it in two years. */
const MAX_VERSIONS_SHOWN = 100;

interface PlanRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly created_at: Date;
}

interface VersionRow {
  readonly id: string;
  readonly plan_id: string;
  readonly version: number;
  readonly currency: string;
  readonly interval: PlanInterval;
  readonly grace_seconds: number;
  readonly late_usage: LateUsagePolicy;
  readonly closing_checks: readonly ClosingCheck[];
  readonly created_at: Date;
}

interface PriceRow {
  readonly id: string;
  readonly plan_version_id: string;
  readonly key: string;
  readonly kind: Price['kind'];
  /** Of a usage price; null for others. */
  readonly meter_id: string | null;
  readonly model: PricingModel | null;
  readonly definition: TermsText;
}

const PLAN_COLUMNS = 'id, key, name, created_at';
const VERSION_COLUMNS =
  'id, plan_id, version, currency, interval, grace_seconds, late_usage, closing_checks, created_at';
/** A version of the program that knew no definitions may still write its own two columns. */
const PRICE_COLUMNS = `id, plan_version_id, key, kind, meter_id, model,
  coalesce(definition, jsonb_strip_nulls(
    jsonb_build_object('amount', amount::text, 'unit_price', unit_price::text))) AS definition`;

@Injectable()
export class PlansStore {
  constructor(private readonly database: Database) {}

  /** Throws conflict when the key is taken. */
  async insert(plan: Plan): Promise<void> {
    try {
      await this.database.query(`INSERT INTO plans (${PLAN_COLUMNS}) VALUES ($1, $2, $3, $4)`, [
        plan.id,
        plan.key,
        plan.name,
        plan.createdAt,
      ]);
    } catch (error) {
      if (violates(error, 'plans_key_unique')) {
        throw conflict('key_taken', `There is a plan with the key '${plan.key}' already.`);
      }
      throw error;
    }
  }

  /** A version and its prices, in all its currencies; in one transaction with whatever the caller does. */
  async insertVersion(version: PlanVersion, others: readonly PlanVersion[] = []): Promise<void> {
    await this.insertPriceList(version, true);
    for (const other of others) {
      await this.insertPriceList(other, false);
    }
  }

  /** By our id or by key; locks the row when a version is to be added. */
  async find(idOrKey: string, lock: 'none' | 'for update' = 'none'): Promise<Plan | null> {
    const rows = await this.database.query<PlanRow>(
      `SELECT ${PLAN_COLUMNS} FROM plans WHERE id = $1 OR key = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [idOrKey],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromPlanRow(rows[0]);
  }

  async findMany(ids: readonly string[]): Promise<Plan[]> {
    const rows = await this.database.query<PlanRow>(
      `SELECT ${PLAN_COLUMNS} FROM plans WHERE id = ANY ($1)`,
      [ids],
    );
    return rows.map(fromPlanRow);
  }

  async list(limit: number, before: string | null): Promise<Page<Plan>> {
    const rows = await this.database.query<PlanRow>(
      `SELECT ${PLAN_COLUMNS} FROM plans
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromPlanRow);
  }

  /** The newest version of each of these plans, in its own currency. Index plan_versions_default_unique. */
  async findLatest(planIds: readonly string[]): Promise<PlanVersion[]> {
    const rows = await this.database.query<VersionRow>(
      `SELECT DISTINCT ON (plan_id) ${VERSION_COLUMNS} FROM plan_versions
       WHERE plan_id = ANY ($1) AND is_default
       ORDER BY plan_id, version DESC`,
      [planIds],
    );
    return await this.withPrices(rows);
  }

  /**
   * Of the versions in a currency the newest one made at or before an instant, else the first. Index
   * plan_versions_number_unique; one row.
   */
  async findIdAt(planId: string, currency: string, instant: Date): Promise<string | null> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM plan_versions
       WHERE plan_id = $1 AND currency = $2
       ORDER BY CASE WHEN created_at <= $3 THEN version ELSE -version END DESC
       LIMIT 1`,
      [planId, currency, instant],
      { isPrepared: true },
    );
    return rows[0]?.id ?? null;
  }

  /** The version of a number in a currency; null for the newest one. Index plan_versions_number_unique. */
  async findVersionIn(
    planId: string,
    currency: string,
    number: number | null,
  ): Promise<PlanVersion | null> {
    const rows = await this.database.query<VersionRow>(
      `SELECT ${VERSION_COLUMNS} FROM plan_versions
       WHERE plan_id = $1 AND currency = $2 AND ($3::integer IS NULL OR version = $3)
       ORDER BY version DESC
       LIMIT 1`,
      [planId, currency, number],
    );
    const [version] = await this.withPrices(rows);
    return version ?? null;
  }

  /** The same versions in other currencies, as they were given. Index plan_versions_number_unique. */
  async findOthers(versions: readonly PlanVersion[]): Promise<PlanVersion[]> {
    const rows = await this.database.query<VersionRow>(
      `SELECT ${VERSION_COLUMNS} FROM plan_versions
       WHERE (plan_id, version) IN (
           SELECT wanted.plan_id, wanted.version
           FROM unnest($1::text[], $2::integer[]) AS wanted (plan_id, version))
         AND NOT is_default
       ORDER BY id`,
      [versions.map(({ planId }) => planId), versions.map(({ version }) => version)],
    );
    return await this.withPrices(rows);
  }

  async findVersions(ids: readonly string[]): Promise<PlanVersion[]> {
    const rows = await this.database.query<VersionRow>(
      `SELECT ${VERSION_COLUMNS} FROM plan_versions WHERE id = ANY ($1)`,
      [ids],
    );
    return await this.withPrices(rows);
  }

  /** The versions of a plan, newest first, MAX_VERSIONS_SHOWN at most. */
  async listVersions(planId: string): Promise<PlanVersion[]> {
    const rows = await this.database.query<VersionRow>(
      `SELECT ${VERSION_COLUMNS} FROM plan_versions
       WHERE plan_id = $1 AND is_default
       ORDER BY version DESC
       LIMIT ${MAX_VERSIONS_SHOWN}`,
      [planId],
    );
    return await this.withPrices(rows);
  }

  async findPrices(ids: readonly string[]): Promise<Price[]> {
    const rows = await this.database.query<PriceRow>(
      `SELECT ${PRICE_COLUMNS} FROM prices WHERE id = ANY ($1)`,
      [ids],
    );
    return rows.map(fromPriceRow);
  }

  private async insertPriceList(version: PlanVersion, isDefault: boolean): Promise<void> {
    await this.database.query(
      `INSERT INTO plan_versions (${VERSION_COLUMNS}, is_default)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        version.id,
        version.planId,
        version.version,
        version.currency,
        version.interval,
        version.graceSeconds,
        version.lateUsage,
        version.closingChecks,
        version.createdAt,
        isDefault,
      ],
    );
    const rows = version.prices.map((price, position) => toPriceRow(price, version.id, position));
    await this.database.query(
      // The two columns of old are for a version of the program that knows no definitions.
      `INSERT INTO prices (id, plan_version_id, key, position, kind, meter_id, model, definition,
         amount, unit_price)
       SELECT price.id, price.plan_version_id, price.key, price.position, price.kind,
         price.meter_id, price.model, price.definition,
         CASE WHEN price.kind = 'flat' THEN (price.definition ->> 'amount')::numeric END,
         CASE WHEN price.model = 'per_unit' THEN (price.definition ->> 'unit_price')::numeric END
       FROM json_to_recordset($1::json) AS price (id text, plan_version_id text, key text,
         position integer, kind text, meter_id text, model text, definition jsonb)`,
      [JSON.stringify(rows)],
    );
  }

  private async withPrices(versions: readonly VersionRow[]): Promise<PlanVersion[]> {
    const prices = await this.database.query<PriceRow>(
      `SELECT ${PRICE_COLUMNS} FROM prices
       WHERE plan_version_id = ANY ($1)
       ORDER BY plan_version_id, position`,
      [versions.map((version) => version.id)],
    );
    return versions.map((row) => ({
      id: row.id,
      planId: row.plan_id,
      version: row.version,
      currency: row.currency,
      interval: row.interval,
      graceSeconds: row.grace_seconds,
      lateUsage: row.late_usage,
      closingChecks: row.closing_checks,
      prices: prices.filter((price) => price.plan_version_id === row.id).map(fromPriceRow),
      createdAt: row.created_at,
    }));
  }
}

function toPriceRow(price: Price, versionId: string, position: number): object {
  return {
    id: price.id,
    plan_version_id: versionId,
    key: price.key,
    position,
    kind: price.kind,
    meter_id: price.kind === 'usage' ? price.meterId : null,
    model: modelOf(price),
    definition: termsText(price),
  };
}

function fromPlanRow(row: PlanRow): Plan {
  return { id: row.id, key: row.key, name: row.name, createdAt: row.created_at };
}

function fromPriceRow(row: PriceRow): Price {
  const { id, key, kind, definition } = row;
  switch (kind) {
    case 'flat':
      return { id, key, ...readAmountTerms(kind, definition) };
    case 'minimum':
    case 'maximum':
      return { id, key, ...readAmountTerms(kind, definition) };
    case 'usage':
      if (row.meter_id === null || row.model === null) {
        throw new Error(`The usage price ${id} has no meter or no model`);
      }
      return { id, key, meterId: row.meter_id, ...readUsageTerms(row.model, definition) };
  }
}
