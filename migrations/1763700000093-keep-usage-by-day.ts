import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What meters have counted in whole days, for reads of every customer; and folding by this version only.
 *
 * The version before keeps nothing of a percentile, and does not know that a day's figures are over
 * when something is folded into it. By the new name of the sequence it can no longer fold, nor
 * register meters: it goes on storing events and reading them exactly, its folding reports an error
 * until it is replaced, and replicas of this version fold for all. Rebuilds and ends of meters that it
 * does meanwhile do not reach percentiles and days; a rebuild by this version mends them. Who goes
 * back to the version before has to take this back, too, or nothing is folded. The lock of meters lets
 * the folds under way end, some seconds at most; the rest is instant.
 */
export class KeepUsageByDay1763700000093 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SELECT pg_advisory_xact_lock(7263004)`);
    await runner.query(`ALTER SEQUENCE usage_folds RENAME TO usage_fold_numbers`);
    await runner.query(`
      CREATE TABLE usage_days (
        subject text NOT NULL,
        meter integer NOT NULL,
        -- A day of UTC.
        day timestamptz NOT NULL,
        groups text[] NOT NULL,
        event_count bigint NOT NULL,
        value_sum numeric NOT NULL,
        -- The extreme, how many distinct values there are, or the percentile; NULL for sums.
        value numeric,
        -- Time of the last event; of what is latest only.
        last_time timestamptz,
        CONSTRAINT usage_days_pkey PRIMARY KEY (meter, day, subject, groups)
      )`);
    await runner.query(`
      CREATE TABLE usage_summed_days (
        meter integer NOT NULL,
        day timestamptz NOT NULL,
        -- False: to sum it up took too long, and reads take its hours.
        is_summed boolean NOT NULL,
        CONSTRAINT usage_summed_days_pkey PRIMARY KEY (meter, day)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SELECT pg_advisory_xact_lock(7263004)`);
    await runner.query(`DROP TABLE usage_summed_days`);
    await runner.query(`DROP TABLE usage_days`);
    await runner.query(`ALTER SEQUENCE usage_fold_numbers RENAME TO usage_folds`);
  }
}
