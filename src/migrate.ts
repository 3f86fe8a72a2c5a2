import { migrate } from './platform/database/data-source.js';
import { readConfig } from './platform/config.js';

const { databaseUrl } = readConfig(process.env);
if (databaseUrl === undefined) {
  throw new Error('DATABASE_URL names the database to migrate; the embedded one migrates itself.');
}
const done = await migrate(databaseUrl);
process.stdout.write(`${done.length} migrations ran\n`);
