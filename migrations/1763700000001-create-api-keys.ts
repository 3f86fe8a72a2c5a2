import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Who may call the API, and the recorded answers of requests that carry an Idempotency-Key. */
export class CreateApiKeys1763700000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_keys (
        id text PRIMARY KEY,
        name text NOT NULL,
        -- The token has 256 random bits, so a plain hash cannot be searched.
        token_sha256 bytea NOT NULL,
        -- The first characters, by which a person tells keys apart.
        hint text NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL,
        -- NULL until revoked.
        revoked_at timestamptz,
        CONSTRAINT api_keys_token_unique UNIQUE (token_sha256),
        CONSTRAINT api_keys_scopes_check
          CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['ingest', 'read', 'configure', 'bill', 'admin'])
      )`);
    await runner.query(`
      CREATE TABLE idempotency_keys (
        api_key_id text NOT NULL,
        idempotency_key text NOT NULL,
        request_sha256 bytea NOT NULL,
        status smallint NOT NULL,
        response json NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (api_key_id, idempotency_key)
      )`);
    await runner.query(`CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE idempotency_keys`);
    await runner.query(`DROP TABLE api_keys`);
  }
}
