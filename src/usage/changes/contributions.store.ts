/* Reads what the events of the last batches add to a quantity, one by one. Reads only. */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { Buckets } from '../buckets.sql.js';
import { compileMeter, groupArray, Parameters } from '../meter-sql.js';
import { SIGNED_EVENTS } from '../rollup.sql.js';
import { groupCondition, ownedBy } from '../usage.sql.js';
import { type Contribution, type ContributionsQuestion, isAdditive } from './contribution.js';

/** The last events of a customer that are looked through for the one that crossed a level. */
const MAX_CONTRIBUTIONS = 20_000;

interface Row {
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  readonly time: string;
  readonly batch_id: string;
  readonly value: string;
}

@Injectable()
export class ContributionsStore {
  constructor(private readonly database: Database) {}

  /**
   * The last ones, in the order in which they came: by batch, and by time within one. Of a meter that
   * does not add up each event counts as 0. Index on batch; reads what the batches have of everybody.
   */
  async list({ question, fromBatch }: ContributionsQuestion): Promise<Contribution[]> {
    const { meter } = question;
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const owned = ownedBy(question, new Buckets(question.buckets, parameters), parameters);
    const value = isAdditive(meter.aggregation)
      ? `events.sign * ${meter.aggregation.kind === 'count' ? '1' : sql.value}`
      : '0';
    const rows = await this.database.query<Row>(
      `WITH ${owned}, part AS (
         SELECT events.batch_id, events.time, events.source, events.id, events.subject, events.sign,
           ${value} AS value, ${groupArray(sql.groups.map((group) => `(${group})`))} AS groups
         FROM ${SIGNED_EVENTS} AS events
         JOIN owned ON owned.subject = events.subject
           AND events.time >= owned.starts_at AND events.time < owned.ends_at
         WHERE events.batch_id >= ${parameters.add(fromBatch.toString())}::bigint AND ${sql.matches}
       )
       SELECT source, id, subject, time::text AS time, batch_id, value::text AS value FROM part
       WHERE value IS NOT NULL${groupCondition(question, 'part.groups', parameters)}
       ORDER BY batch_id DESC, time DESC, source DESC, id DESC, sign DESC
       LIMIT ${MAX_CONTRIBUTIONS}`,
      parameters.values,
    );
    return rows.toReversed().map(({ batch_id: batch, value: text, ...row }) => ({
      ...row,
      batch: BigInt(batch),
      value: decimal(text),
    }));
  }
}
