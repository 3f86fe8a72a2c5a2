/* Reads how far what some folds took can have moved each customer's quantity of a meter. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { compileMeter, Parameters } from '../meter-sql.js';
import { HOUR, SIGNED_EVENTS } from '../rollup.sql.js';
import { type FoldedBatches } from './changes.store.js';
import { isAdditive } from './contribution.js';

/** What was added to a quantity and what was taken from it, both as decimals from 0 on. */
export interface Movement {
  readonly customerId: string;
  readonly up: string;
  readonly down: string;
}

interface Row {
  readonly customer_id: string;
  readonly up: string;
  readonly down: string;
}

@Injectable()
export class MovementsStore {
  constructor(private readonly database: Database) {}

  /**
   * Of each customer who owned a subject in an hour that an event or correction lies in: so no less than
   * what it came to, in whatever window and group. Indexes on batch; reads each event of the batches once.
   * OFFSET 0: of batches that are seconds old PostgreSQL expects two rows, and compared each with each owner.
   *
   * @param meter one whose events add up
   */
  async list(
    meter: Meter,
    { batches, firstReceivedAt, lastReceivedAt }: FoldedBatches,
  ): Promise<Movement[]> {
    if (!isAdditive(meter.aggregation)) {
      throw new TypeError(`What events add to the meter '${meter.key}' cannot be told`);
    }
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const value = meter.aggregation.kind === 'count' ? '1' : sql.value;
    const rows = await this.database.query<Row>(
      `WITH moved AS (
         SELECT subject, hour, sum(greatest(value, 0)) AS up, sum(greatest(-value, 0)) AS down
         FROM (
           SELECT events.subject, ${HOUR} AS hour, events.sign * ${value} AS value
           FROM ${SIGNED_EVENTS} AS events
           WHERE events.batch_id = ANY (${parameters.add(batches)}::bigint[])
             AND events.received_at >= ${parameters.add(firstReceivedAt)}
             AND events.received_at <= ${parameters.add(lastReceivedAt)}
             AND ${sql.matches}
         ) AS one
         WHERE value IS NOT NULL
         GROUP BY subject, hour
       )
       SELECT owned.customer_id, sum(moved.up)::text AS up, sum(moved.down)::text AS down
       FROM moved CROSS JOIN LATERAL (
         SELECT customer_id FROM customer_subjects
         WHERE subject = moved.subject
           AND ends_at > moved.hour AND starts_at < moved.hour + interval '1 hour'
         OFFSET 0) AS owned
       GROUP BY owned.customer_id`,
      parameters.values,
    );
    return rows.map(({ customer_id: customerId, up, down }) => ({ customerId, up, down }));
  }
}
