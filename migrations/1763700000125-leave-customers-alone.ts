import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Customers whom usage may come of without their being judged, and how much of it. New tables only, empty
 * until customers are judged. The version before knows neither: the migration behind this one keeps it from
 * taking changes that it would not take off what may come.
 */
export class LeaveCustomersAlone1763700000125 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE threshold_calms (
        customer_id text PRIMARY KEY,
        -- A digest of all by which thresholds, periods and meters may change what is judged of the customer.
        grounds text NOT NULL,
        -- When the customer is judged with the next usage whatever it is; NULL: time alone changes nothing.
        ends_at timestamptz
      )`);
    await runner.query(`
      CREATE TABLE threshold_margins (
        meter integer NOT NULL,
        customer_id text NOT NULL,
        -- Of this meter anything less may be added; NULL: anything.
        up numeric,
        -- No more than this may be taken off; NULL: anything.
        down numeric,
        CONSTRAINT threshold_margins_pkey PRIMARY KEY (meter, customer_id)
      ) WITH (fillfactor = 50)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE threshold_margins`);
    await runner.query(`DROP TABLE threshold_calms`);
  }
}
