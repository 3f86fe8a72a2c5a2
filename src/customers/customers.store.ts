/* Owns customers and customer_subjects. The database itself keeps a subject from having two owners at one time. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../kernel/errors.js';
import { Database } from '../platform/database/database.js';
import { violates } from '../platform/database/pg-errors.js';
import { type Page, toPage } from '../platform/http/page.js';
import { type Customer, type CustomerSubject } from './customer.js';

interface CustomerRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly email: string | null;
  readonly currency: string;
  readonly time_zone: string;
  readonly stripe_customer_id: string | null;
  readonly metadata: Record<string, string>;
  readonly created_at: Date;
  readonly updated_at: Date;
}

interface SubjectRow {
  readonly subject: string;
  readonly customer_id: string;
  readonly starts_at: Date | null;
  readonly ends_at: Date | null;
}

/**
 * Held from before a subject is given to somebody until that has committed, so that the numbers of
 * customer_subjects are in the order of commits: whoever sees one sees all lower ones.
 */
const OWNERSHIP_LOCK = 7_263_085;

const COLUMNS =
  'id, key, name, email, currency, time_zone, stripe_customer_id, metadata, created_at, updated_at';
const SUBJECT_COLUMNS = `subject, customer_id,
  nullif(starts_at, '-infinity') AS starts_at, nullif(ends_at, 'infinity') AS ends_at`;

@Injectable()
export class CustomersStore {
  constructor(private readonly database: Database) {}

  async insert(customer: Customer): Promise<void> {
    await this.refusingDuplicates(customer, async () => {
      await this.database.query(
        `INSERT INTO customers (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        toParameters(customer),
      );
    });
  }

  async update(customer: Customer): Promise<void> {
    await this.refusingDuplicates(customer, async () => {
      await this.database.query(
        `UPDATE customers
         SET name = $2, email = $3, time_zone = $4, stripe_customer_id = $5, metadata = $6, updated_at = $7
         WHERE id = $1`,
        [
          customer.id,
          customer.name,
          customer.email,
          customer.timeZone,
          customer.stripeCustomerId,
          customer.metadata,
          customer.updatedAt,
        ],
      );
    });
  }

  /** By our id or by key; locks the row when it is to be changed. */
  async find(idOrKey: string, lock: 'none' | 'for update' = 'none'): Promise<Customer | null> {
    const rows = await this.database.query<CustomerRow>(
      `SELECT ${COLUMNS} FROM customers WHERE id = $1 OR key = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [idOrKey],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Before anything else of a transaction that gives subjects to somebody; one such runs at a time. */
  async lockOwnership(): Promise<void> {
    this.database.assertTransaction();
    await this.database.query('SELECT pg_advisory_xact_lock($1)', [OWNERSHIP_LOCK]);
  }

  async findMany(ids: readonly string[]): Promise<Customer[]> {
    const rows = await this.database.query<CustomerRow>(
      `SELECT ${COLUMNS} FROM customers WHERE id = ANY ($1)`,
      [ids],
    );
    return rows.map(fromRow);
  }

  async list(limit: number, before: string | null): Promise<Page<Customer>> {
    const rows = await this.database.query<CustomerRow>(
      `SELECT ${COLUMNS} FROM customers
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /**
   * Ends whoever owns the subject at `from`; the row is locked until the transaction ends.
   *
   * @returns the ids of the customers who owned it
   */
  async endOwnership(subject: string, from: Date): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `UPDATE customer_subjects SET ends_at = $2
       WHERE subject = $1 AND starts_at < $2 AND ends_at > $2
       RETURNING customer_id`,
      [subject, from],
    );
    return rows.map((row) => row.customer_id);
  }

  /** Leaves word that the usage of these customers changed, from a moment (null: from the beginning) on. */
  async noteChange(customerIds: readonly string[], from: Date | null, now: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO customer_subject_changes (customer_id, starts_at, changed_at)
       SELECT customer_id, coalesce($2::timestamptz, '-infinity'), $3
       FROM unnest($1::text[]) AS customer_id`,
      [customerIds, from, now],
    );
  }

  /**
   * Gives a subject to a customer, from a moment (null: from the beginning) on. Needs the lock of
   * ownership. A span that has ended ends where the next one of its subject starts: line items are
   * computed again by that.
   */
  async insertSubject(assignment: CustomerSubject, now: Date): Promise<void> {
    try {
      await this.database.query(
        `INSERT INTO customer_subjects (subject, customer_id, starts_at, ends_at, created_at)
         VALUES ($1, $2, coalesce($3::timestamptz, '-infinity'), coalesce($4::timestamptz, 'infinity'), $5)`,
        [assignment.subject, assignment.customerId, assignment.startsAt, assignment.endsAt, now],
      );
    } catch (error) {
      if (
        violates(error, 'customer_subjects_one_owner') ||
        violates(error, 'customer_subjects_pkey')
      ) {
        throw conflict(
          'subject_owned',
          `The subject '${assignment.subject}' belongs to a customer at that time already.`,
        );
      }
      throw error;
    }
  }

  /** The spans in which a customer owns subjects, by subject and time. Index on customer_id. */
  async listSubjects(customerId: string): Promise<CustomerSubject[]> {
    const rows = await this.database.query<SubjectRow>(
      `SELECT ${SUBJECT_COLUMNS} FROM customer_subjects AS owned
       WHERE customer_id = $1
       ORDER BY subject, owned.starts_at`,
      [customerId],
    );
    return rows.map((row) => ({
      subject: row.subject,
      customerId: row.customer_id,
      startsAt: row.starts_at,
      endsAt: row.ends_at,
    }));
  }

  private async refusingDuplicates(customer: Customer, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (violates(error, 'customers_key_unique')) {
        throw conflict('key_taken', `There is a customer with the key '${customer.key}' already.`);
      }
      if (violates(error, 'customers_stripe_customer_unique')) {
        throw conflict(
          'stripe_customer_taken',
          `The Stripe customer '${customer.stripeCustomerId ?? ''}' belongs to another customer already.`,
        );
      }
      throw error;
    }
  }
}

function toParameters(customer: Customer): unknown[] {
  return [
    customer.id,
    customer.key,
    customer.name,
    customer.email,
    customer.currency,
    customer.timeZone,
    customer.stripeCustomerId,
    customer.metadata,
    customer.createdAt,
    customer.updatedAt,
  ];
}

function fromRow(row: CustomerRow): Customer {
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    email: row.email,
    currency: row.currency,
    timeZone: row.time_zone,
    stripeCustomerId: row.stripe_customer_id,
    metadata: row.metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
