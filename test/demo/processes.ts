/* The processes around the demo: the service, the Stripe double, and somebody who receives webhooks. */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { openEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { findPostmaster } from '../../src/platform/database/postmaster.js';
import { startProgram, stopPrograms } from '../support/programs.js';

const fileOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/**
 * Ends everything that was started, each in its own way.
 *
 * @param dataDir where the service has its PostgreSQL, which a service that was killed leaves behind
 */
export async function stopAll(dataDir: string): Promise<void> {
  const wasKilled = await stopPrograms();
  if (wasKilled && (await findPostmaster(path.join(dataDir, 'postgres'))) !== null) {
    const postgres = await openEmbeddedPostgres({ dataDir });
    await postgres.stop();
  }
}

/** The service itself, as `npm start` runs it. */
export async function startMeterline(env: Record<string, string>): Promise<string> {
  const main = fileOf('../../dist/src/main.js');
  const { url } = await startProgram('Meterline', [main], env, (line) =>
    line['event'] === 'service.started' ? line['url'] : null,
  );
  return url;
}

/** A local Stripe that keeps its state in a file, so that a second run finds what the first one made. */
export async function startStripe(stateFile: string): Promise<string> {
  const main = fileOf('../support/stripe-double/main.ts');
  const { url } = await startProgram(
    'The double of Stripe',
    ['--import', 'tsx', main, '--port', '0', '--state', stateFile],
    {},
    (line) => line['url'],
  );
  return url;
}

export interface Receiver {
  readonly url: string;
  /** Types of the messages whose signature was right, by their ids. */
  readonly verified: ReadonlyMap<string, string>;
  /** Messages whose signature was wrong. */
  readonly refused: readonly string[];
  expect(secret: string): void;
}

/** Somebody's system that is told by webhooks and checks each signature with the standardwebhooks package. */
export async function startReceiver(): Promise<Receiver> {
  const verified = new Map<string, string>();
  const refused: string[] = [];
  let secret = '';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const id = String(request.headers['webhook-id']);
      try {
        const headers = request.headers as Record<string, string>;
        const body = new Webhook(secret).verify(Buffer.concat(chunks).toString(), headers);
        verified.set(id, (body as { type: string }).type);
        response.writeHead(204).end();
      } catch {
        refused.push(id);
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    verified,
    refused,
    expect: (given) => {
      secret = given;
    },
  };
}
