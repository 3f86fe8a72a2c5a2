import { readConfig } from './platform/config.js';
import { migrate, whyUnusable } from './platform/database/data-source.js';
import { lastWords, StartError } from './platform/start-error.js';

try {
  const { databaseUrl } = readConfig(process.env);
  if (databaseUrl === undefined) {
    throw new StartError(
      'Set DATABASE_URL to the database to migrate; the embedded one migrates itself.',
    );
  }
  const done = await migrate(databaseUrl);
  process.stdout.write(`${done.length} migrations ran\n`);
} catch (error) {
  process.stderr.write(`${lastWords(whyUnusable(error))}\n`);
  process.exit(1);
}
