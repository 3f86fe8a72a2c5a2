/* The processes around the demo: the service, the Stripe double, and somebody who receives webhooks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';

const fileOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export interface Started {
  readonly url: string;
  /** Lets the process end in its own way, and waits until it has. */
  stop(): Promise<void>;
}

/** Starts a program that prints JSON lines, and waits for the one that tells its address. */
async function start(
  args: readonly string[],
  env: Record<string, string>,
  urlIn: (line: Record<string, unknown>) => unknown,
): Promise<Started> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    // In a group of its own, so that Ctrl-C reaches only this program, which then stops the others.
    detached: true,
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      const found = urlIn(line);
      if (typeof found === 'string') {
        resolve(found);
      }
      if (Number(line['level'] ?? 0) >= 50) {
        process.stderr.write(`${text}\n`);
      }
    });
    child.once('exit', (code) => {
      reject(new Error(`${String(args.at(-1))} ended with ${String(code)}`));
    });
  });
  return { url, stop: async () => await end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

/** The service itself, as `npm start` runs it. */
export async function startMeterline(env: Record<string, string>): Promise<Started> {
  return await start([fileOf('../../dist/src/main.js')], env, (line) =>
    line['event'] === 'service.started' ? line['url'] : null,
  );
}

/** A local Stripe that keeps its state in a file, so that a second run finds what the first one made. */
export async function startStripe(stateFile: string): Promise<Started> {
  const main = fileOf('../support/stripe-double/main.ts');
  return await start(
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
  close(): Promise<void>;
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
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
