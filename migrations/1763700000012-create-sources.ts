import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What gateways send, and how it becomes usage events; and keys that may send to one source only.
 * Adding a column without a default locks api_keys for an instant. The previous version runs on it,
 * but takes the token of a source for an ordinary key that may ingest.
 */
export class CreateSources1763700000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sources (
        id text PRIMARY KEY,
        key text NOT NULL,
        name text NOT NULL,
        format text NOT NULL,
        -- What differs from the mapping of the format; {} when nothing does.
        mapping jsonb NOT NULL,
        -- Where tokens are looked for besides Authorization; NULL: in no header, in no query parameter.
        token_header text,
        token_query text,
        created_at timestamptz NOT NULL,
        -- NULL until archived; the row stays, since its key is part of the identity of events.
        archived_at timestamptz,
        CONSTRAINT sources_key_unique UNIQUE (key),
        CONSTRAINT sources_token_check CHECK (token_header IS NULL OR token_query IS NULL)
      )`);
    await runner.query(`
      ALTER TABLE api_keys
        -- NULL for a key that is bound to no source.
        ADD COLUMN source_id text,
        ADD CONSTRAINT api_keys_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT`);
    await runner.query(
      `CREATE INDEX api_keys_source ON api_keys (source_id, id) WHERE source_id IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX api_keys_source`);
    // Without the column they would be ordinary keys.
    await runner.query(`DELETE FROM api_keys WHERE source_id IS NOT NULL`);
    await runner.query(`ALTER TABLE api_keys DROP COLUMN source_id`);
    await runner.query(`DROP TABLE sources`);
  }
}
