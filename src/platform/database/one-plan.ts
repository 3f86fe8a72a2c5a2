import { type ClientBase } from 'pg';

/**
 * Runs a prepared query by the plan that serves any parameters, which is made once. PostgreSQL compares what it
 * expects plans to cost, and little of what planning does: by itself it would plan some statements anew each time.
 */
export async function withOnePlan<Result>(
  client: ClientBase,
  query: () => Promise<Result>,
): Promise<Result> {
  await client.query('SET plan_cache_mode = force_generic_plan');
  try {
    return await query();
  } finally {
    // In a transaction that failed this is refused, and the end of that sets back what was set in it.
    await client.query('RESET plan_cache_mode').catch(() => undefined);
  }
}
