import { open, rename, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';

/** A device that takes nothing: whoever writes to it is told that no space is left. */
const FULL_DEVICE = '/dev/full';

/**
 * Lets empty tables lie on a disk without any space, in the way that needs no rights: their files
 * are links to a device that is full. What PostgreSQL meets and says is what it does on a full disk.
 *
 * @returns makes space: the files are real again, and what holds the old ones open lets them go
 */
export async function fillDisk(
  databaseUrl: string,
  tables: readonly string[],
): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ file: string }>(
    `SELECT current_setting('data_directory') || '/' || pg_relation_filepath(name::regclass) AS file
     FROM unnest($1::text[]) AS name`,
    [tables],
  );
  const files = rows.map(({ file }) => path.normalize(file));
  await client.query('CHECKPOINT');
  const owners = new Map<string, { uid: number; gid: number }>();
  for (const file of files) {
    const { uid, gid, size } = await stat(file);
    if (size > 0) {
      throw new Error(`${file} is not empty, and what it holds would be lost`);
    }
    owners.set(file, { uid, gid });
    await symlink(FULL_DEVICE, besides(file));
    await rename(besides(file), file);
  }
  await closeFiles(client);
  return async () => {
    for (const file of files) {
      const { uid, gid } = owners.get(file)!;
      const made = await open(besides(file), 'wx', 0o600);
      await made.chown(uid, gid);
      await made.close();
      await rename(besides(file), file);
    }
    await closeFiles(client);
    await client.end();
  };
}

/** Made there and renamed, so that nobody finds no file at all, or one that is not PostgreSQL's. */
const besides = (file: string): string => `${file}.besides`;

/** Dropping a database makes every process of PostgreSQL's close all its files. */
async function closeFiles(client: Client): Promise<void> {
  await client.query('CREATE DATABASE dropped_at_once');
  await client.query('DROP DATABASE dropped_at_once');
}
