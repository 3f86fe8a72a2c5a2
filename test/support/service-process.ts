import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
export const ADMIN_KEY = 'mlk_admin_of_the_tests_0123456789abcdef';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, or the text when it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into freely by tests
  readonly body: any;
}

export interface RequestOptions {
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
  /** Sent as it is when it is text or bytes, else as JSON. */
  readonly body?: unknown;
}

/** The real service in a process of its own, on a database of its own. */
export interface TestService {
  readonly url: string;
  readonly process: ChildProcess;
  /** Lines of its log so far, parsed. */
  readonly log: Record<string, unknown>[];
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Answer>;
  /** Ends the process with a signal and waits until it is gone; answers its exit code. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** As `npm start` does; src/platform/README.md says why. */
const NODE_ARGUMENTS = ['--max-semi-space-size=32', '--max-old-space-size=1024'];

/** Starts the built service with these settings only, and waits for nothing. */
export function spawnService(
  env: Record<string, string>,
  nodeArguments: readonly string[] = [],
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [...NODE_ARGUMENTS, ...nodeArguments, MAIN], {
    env: { PATH: process.env['PATH'], METERLINE_ADMIN_KEY: ADMIN_KEY, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/**
 * Starts the built service against a database, an embedded one when the address is empty, and waits
 * until it listens.
 */
export async function startService(
  databaseUrl: string,
  env: Record<string, string> = {},
  nodeArguments: readonly string[] = [],
): Promise<TestService> {
  const child = spawnService({ DATABASE_URL: databaseUrl, PORT: '0', ...env }, nodeArguments);
  const log: Record<string, unknown>[] = [];
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>;
      log.push(entry);
      if (entry['event'] === 'service.started') {
        resolve(String(entry['url']));
      }
    });
    child.once('exit', (code) => {
      if (code !== null && code !== 0) {
        // A test sees only that it is gone; whoever reads the test's output should see why.
        process.stderr.write(errors);
      }
      reject(new Error(`The service ended with ${String(code)}: ${errors}`));
    });
  });
  return toService(url, child, log);
}

function toService(url: string, child: ChildProcess, log: Record<string, unknown>[]): TestService {
  const request: TestService['request'] = async (method, path, options = {}) =>
    await send(`${url}${path}`, method, options);
  return {
    url,
    process: child,
    log,
    request,
    get: async (path) => await request('GET', path),
    post: async (path, body) => await request('POST', path, { body: body ?? {} }),
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) {
        return child.exitCode;
      }
      const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
      child.kill(signal);
      return await gone;
    },
  };
}

async function send(url: string, method: string, options: RequestOptions): Promise<Answer> {
  const { key = ADMIN_KEY, headers = {}, body } = options;
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: {
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Asks until the answer is there: for what happens by itself a moment later. Fails after 45 seconds, which is patience for a busy machine and no
 * statement about speed. */
export async function eventually<T>(ask: () => Promise<T | null | undefined | false>): Promise<T> {
  const until = Date.now() + 45_000;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) {
      return answer;
    }
    if (Date.now() > until) {
      throw new Error('It did not happen within 45 seconds');
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
