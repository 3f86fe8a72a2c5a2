import { createTestDatabase, type TestDatabase } from './database.js';
import { startService, type TestService } from './service-process.js';

/** A service on a fresh database; `close` ends both. */
export async function startFresh(
  env: Record<string, string> = {},
): Promise<{ service: TestService; db: TestDatabase; close(): Promise<void> }> {
  const db = await createTestDatabase();
  const service = await startService(db.url, env);
  return {
    service,
    db,
    close: async () => {
      await service.kill('SIGTERM');
      await db.drop();
    },
  };
}
