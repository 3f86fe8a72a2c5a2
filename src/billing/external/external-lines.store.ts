/*
 * Owns external_line_items: which message told whom of a line item, and what came back. Written under the
 * lock of the invoice, which orders acknowledgements, reports and retries.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { type ChargeSoFar } from './external-line.js';

/** Whom a line item is told to, and what its period and price come to with it. */
export interface Addressed {
  readonly webhookEndpoint: string;
  readonly timeZone: string;
  /** Null for a fee or a limit. */
  readonly meterKey: string | null;
  readonly soFar: ChargeSoFar;
}

interface AddressedRow {
  readonly id: string;
  readonly webhook_endpoint_id: string;
  readonly time_zone: string;
  readonly meter_key: string | null;
  readonly charge_id: string;
  readonly revision: number;
  readonly quantity: string | null;
  readonly amount_minor: string;
}

/** What the platform said of a line item besides its state; null says nothing. */
export interface Heard {
  readonly externalId: string | null;
  readonly dueAt: Date | null;
}

/** A line item that was told of, and on which invoice it is. */
export interface Told {
  readonly lineItemId: string;
  readonly invoiceId: string;
  readonly webhookEndpoint: string;
  readonly messageId: string;
}

interface ToldRow {
  readonly line_item_id: string;
  readonly invoice_id: string;
  readonly webhook_endpoint_id: string;
  readonly message_id: string;
}

const TOLD = 'line_item_id, invoice_id, webhook_endpoint_id, message_id';

@Injectable()
export class ExternalLinesStore {
  constructor(private readonly database: Database) {}

  /** What is to be told of line items besides what they say themselves, by their ids. Index line_items_once. */
  async address(lineItemIds: readonly string[]): Promise<ReadonlyMap<string, Addressed>> {
    const rows = await this.database.query<AddressedRow>(
      `SELECT item.id, subscription.webhook_endpoint_id, subscription.time_zone,
         meter.key AS meter_key, charge.*
       FROM line_items AS item
       JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
       JOIN prices AS price ON price.id = item.price_id
       LEFT JOIN meters AS meter ON meter.id = price.meter_id
       CROSS JOIN LATERAL (
         SELECT (array_agg(part.id ORDER BY part.created_at, part.adjustment_number, part.id))[1] AS charge_id,
           count(*)::integer AS revision, sum(part.quantity) AS quantity, sum(part.amount_minor) AS amount_minor
         FROM line_items AS part
         WHERE part.billing_period_id = item.billing_period_id AND part.price_id = item.price_id
           AND (part.created_at, part.adjustment_number, part.id)
             <= (item.created_at, item.adjustment_number, item.id)) AS charge
       WHERE item.id = ANY ($1) AND subscription.webhook_endpoint_id IS NOT NULL`,
      [lineItemIds],
    );
    return new Map(rows.map((row) => [row.id, toAddressed(row)]));
  }

  /** Keeps that a message was queued that tells of a line item; it takes the place of one before. */
  async recordQueued(told: Told, now: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO external_line_items (${TOLD}, queued_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (line_item_id) DO UPDATE
       SET invoice_id = excluded.invoice_id, webhook_endpoint_id = excluded.webhook_endpoint_id,
         message_id = excluded.message_id, queued_at = excluded.queued_at`,
      [told.lineItemId, told.invoiceId, told.webhookEndpoint, told.messageId, now],
    );
  }

  /**
   * The line item that a message told an endpoint of, also when a later one told it again; null when it tells of
   * none, or another endpoint has been told since: what that one makes of it counts. Primary keys.
   */
  async findByMessage(messageId: string, webhookEndpoint: string): Promise<Told | null> {
    const rows = await this.database.query<ToldRow>(
      `SELECT ${TOLD} FROM external_line_items
       WHERE webhook_endpoint_id = $2 AND line_item_id = (
         SELECT body::json #>> '{data,line_item}' FROM webhook_messages
         WHERE id = $1 AND type = 'billing.usage_reported')`,
      [messageId, webhookEndpoint],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Null when nobody was ever told of the line item. */
  async find(lineItemId: string): Promise<Told | null> {
    const rows = await this.database.query<ToldRow>(
      `SELECT ${TOLD} FROM external_line_items WHERE line_item_id = $1`,
      [lineItemId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The platform has the line item. What it says anew takes the place of what it said before. */
  async recordHeard(lineItemId: string, { externalId, dueAt }: Heard, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE external_line_items
       SET acknowledged_at = coalesce(acknowledged_at, $2), external_id = coalesce($3, external_id),
         due_at = coalesce($4, due_at)
       WHERE line_item_id = $1`,
      [lineItemId, now, externalId, dueAt],
    );
  }

  /** When the line items of an invoice are due, of those of which that was said, by their ids. */
  async dueTimes(invoiceId: string): Promise<ReadonlyMap<string, Date>> {
    const rows = await this.database.query<{ line_item_id: string; due_at: Date }>(
      `SELECT line_item_id, due_at FROM external_line_items
       WHERE invoice_id = $1 AND due_at IS NOT NULL`,
      [invoiceId],
    );
    return new Map(rows.map((row) => [row.line_item_id, row.due_at]));
  }

  /**
   * Line items that wait, and whose message will not be tried again, or is not kept any more. Partial index
   * external_line_items_waiting; no lock; at most `limit` rows.
   */
  async listUndelivered(limit: number): Promise<Told[]> {
    const rows = await this.database.query<ToldRow>(
      `SELECT told.line_item_id, told.invoice_id, told.webhook_endpoint_id, told.message_id
       FROM external_line_items AS told
       JOIN line_items AS item ON item.id = told.line_item_id AND item.state = 'pending'
       LEFT JOIN webhook_deliveries AS delivery ON delivery.message_id = told.message_id
         AND delivery.endpoint_id = told.webhook_endpoint_id AND delivery.replay_id IS NULL
       WHERE told.acknowledged_at IS NULL AND coalesce(delivery.state, 'failed') = 'failed'
       ORDER BY told.line_item_id
       LIMIT $1`,
      [limit],
    );
    return rows.map(fromRow);
  }
}

function fromRow(row: ToldRow): Told {
  return {
    lineItemId: row.line_item_id,
    invoiceId: row.invoice_id,
    webhookEndpoint: row.webhook_endpoint_id,
    messageId: row.message_id,
  };
}

function toAddressed(row: AddressedRow): Addressed {
  return {
    webhookEndpoint: row.webhook_endpoint_id,
    timeZone: row.time_zone,
    meterKey: row.meter_key,
    soFar: {
      chargeId: row.charge_id,
      revision: row.revision,
      quantity: row.quantity === null ? null : decimal(row.quantity),
      amountMinor: BigInt(row.amount_minor),
    },
  };
}
