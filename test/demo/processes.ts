/* The processes around the demo: the service, the Stripe double, and somebody who receives webhooks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { openEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { findPostmaster } from '../../src/platform/database/postmaster.js';
import { Mistake } from './mistake.js';

const END_WITH_PARENT = new URL('end-with-parent.mjs', import.meta.url).href;

const fileOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Every process that was started, in this order. */
const children: ChildProcess[] = [];
let isOver = false;

/**
 * Starts a program that prints JSON lines, and waits for the one that tells its address.
 *
 * @returns the address
 */
async function start(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
  urlIn: (line: Record<string, unknown>) => unknown,
): Promise<string> {
  if (isOver) {
    throw new Error(`${name} was about to start after the end`);
  }
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // In a group of its own, so that Ctrl-C reaches only this program, which then stops the others.
    detached: true,
  });
  children.push(child);
  return await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout as Readable).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      const found = urlIn(line);
      if (typeof found === 'string') {
        resolve(found);
      }
      if (Number(line['level'] ?? 0) >= 50) {
        process.stderr.write(`${text}\n`);
      }
    });
    child.once('exit', () => {
      // It has said why itself.
      reject(new Mistake(`${name} did not start.`));
    });
  });
}

/**
 * Ends everything that was started, the last first and each in its own way, waits until it is gone,
 * and lets nothing start any more.
 *
 * @param dataDir where the service has its PostgreSQL, which a service that was killed leaves behind
 */
export async function stopAll(dataDir: string): Promise<void> {
  isOver = true;
  for (const child of children.toReversed()) {
    if (hasEnded(child)) {
      continue;
    }
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  const isLeftBehind =
    children.some(({ signalCode }) => signalCode !== null) &&
    (await findPostmaster(path.join(dataDir, 'postgres'))) !== null;
  if (isLeftBehind) {
    const postgres = await openEmbeddedPostgres({ dataDir });
    await postgres.stop();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** The service itself, as `npm start` runs it. */
export async function startMeterline(env: Record<string, string>): Promise<string> {
  return await start('Meterline', [fileOf('../../dist/src/main.js')], env, (line) =>
    line['event'] === 'service.started' ? line['url'] : null,
  );
}

/** A local Stripe that keeps its state in a file, so that a second run finds what the first one made. */
export async function startStripe(stateFile: string): Promise<string> {
  const main = fileOf('../support/stripe-double/main.ts');
  return await start(
    'The double of Stripe',
    ['--import', 'tsx', main, '--port', '0', '--state', stateFile],
    {},
    (line) => line['url'],
  );
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
