/* Owns stripe_meters: which meter of ours goes to which of Stripe's. Read for every event, written seldom. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type MeterAtStripe, type MeterLink } from './meter-link.js';

interface LinkRow {
  readonly meter_id: string;
  readonly event_name: string;
  readonly stripe_meter_id: string | null;
  readonly customer_payload_key: string | null;
  readonly value_payload_key: string | null;
  readonly stripe_account_id: string | null;
  readonly failure: string | null;
  readonly looked_at: Date | null;
  readonly created_at: Date;
}

const COLUMNS = `meter_id, event_name, stripe_meter_id, customer_payload_key, value_payload_key,
  stripe_account_id, failure, looked_at, created_at`;

@Injectable()
export class MeterLinksStore {
  constructor(private readonly database: Database) {}

  /** Throws conflict when the meter goes to one already, or another meter goes to this one. */
  async insert(meterId: string, eventName: string, now: Date): Promise<void> {
    try {
      await this.database.query(
        `INSERT INTO stripe_meters (meter_id, event_name, created_at) VALUES ($1, $2, $3)`,
        [meterId, eventName, now],
      );
    } catch (error) {
      if (
        violates(error, 'stripe_meters_pkey') ||
        violates(error, 'stripe_meters_event_name_unique')
      ) {
        throw conflict(
          'stripe_meter_taken',
          "The meter is sent to one of Stripe's already, or another meter is sent to this one.",
        );
      }
      throw error;
    }
  }

  async find(meterId: string): Promise<MeterLink | null> {
    const rows = await this.database.query<LinkRow>(
      `SELECT ${COLUMNS} FROM stripe_meters WHERE meter_id = $1`,
      [meterId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** All of them, by event name: Stripe allows an account some hundred. */
  async list(): Promise<MeterLink[]> {
    const rows = await this.database.query<LinkRow>(
      `SELECT ${COLUMNS} FROM stripe_meters ORDER BY event_name`,
    );
    return rows.map(fromRow);
  }

  /** Keeps what was found at Stripe, or why nothing was. */
  async recordLook(
    meterId: string,
    { found, failure }: Pick<MeterLink, 'found' | 'failure'>,
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `UPDATE stripe_meters
       SET stripe_meter_id = $2, customer_payload_key = $3, value_payload_key = $4, stripe_account_id = $5,
         failure = $6, looked_at = $7
       WHERE meter_id = $1`,
      [
        meterId,
        found?.stripeMeterId ?? null,
        found?.customerKey ?? null,
        found?.valueKey ?? null,
        found?.accountId ?? null,
        failure,
        now,
      ],
    );
  }

  /** Whether it was there. */
  async delete(meterId: string): Promise<boolean> {
    const rows = await this.database.query<{ meter_id: string }>(
      `DELETE FROM stripe_meters WHERE meter_id = $1 RETURNING meter_id`,
      [meterId],
    );
    return rows.length > 0;
  }
}

function fromRow(row: LinkRow): MeterLink {
  return {
    meterId: row.meter_id,
    eventName: row.event_name,
    found: foundOf(row),
    failure: row.failure,
    lookedAt: row.looked_at,
    createdAt: row.created_at,
  };
}

function foundOf(row: LinkRow): MeterAtStripe | null {
  const {
    stripe_meter_id: stripeMeterId,
    customer_payload_key: customerKey,
    value_payload_key: valueKey,
  } = row;
  return stripeMeterId === null || customerKey === null || valueKey === null
    ? null
    : { stripeMeterId, customerKey, valueKey, accountId: row.stripe_account_id };
}
