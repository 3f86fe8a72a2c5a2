import { type Pool, type PoolClient } from 'pg';

/** Keeps replicas from making one partition at the same time. */
const PARTITION_LOCK = 7_263_003;

/**
 * The monthly partitions of usage_events, by receipt. Made a month ahead by whoever first stores
 * something in a month; attaching, unlike creating in place, does not stop readers and writers.
 */
export class Partitions {
  private readonly ensured = new Set<string>();

  constructor(private readonly pool: Pool) {}

  /** Makes sure that events received at `instant` have a partition, and next month's too. */
  async ensure(instant: Date): Promise<void> {
    const month = monthOf(instant, 0);
    if (this.ensured.has(month.name)) {
      return;
    }
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1)', [PARTITION_LOCK]);
      await attach(client, month);
      await attach(client, monthOf(instant, 1));
      await client.query('COMMIT');
      client.release();
      this.ensured.add(month.name);
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}

interface Month {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

function monthOf(instant: Date, ahead: number): Month {
  const start = new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth() + ahead, 1));
  const end = new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth() + ahead + 1, 1));
  const name = `usage_events_${start.toISOString().slice(0, 7).replace('-', '_')}`;
  return { name, from: start.toISOString(), to: end.toISOString() };
}

async function attach(client: PoolClient, month: Month): Promise<void> {
  const found = await client.query('SELECT to_regclass($1) IS NOT NULL AS exists', [month.name]);
  if ((found.rows[0] as { exists: boolean }).exists) {
    return;
  }
  await client.query(`CREATE TABLE ${month.name} (LIKE usage_events INCLUDING DEFAULTS)`);
  await client.query(
    `ALTER TABLE usage_events ATTACH PARTITION ${month.name}
     FOR VALUES FROM ('${month.from}') TO ('${month.to}')`,
  );
}
