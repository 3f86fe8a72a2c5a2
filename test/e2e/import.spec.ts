/*
 * Aim: `meterline import` brings every line of a log into a source, once, whatever interrupts it, and
 * says plainly what became of them and why it cannot.
 * Method: the built command runs in a process of its own against the real service; what it prints and
 * its exit code are held against what is stored. What comes in the middle comes while answers are held.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  copyFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startLosingProxy } from '../support/losing-proxy.js';
import {
  ADMIN_KEY,
  eventually,
  PROGRAMS,
  startService,
  type TestService,
} from '../support/service-process.js';

const CLI = path.join(PROGRAMS, 'cli.js');
const NGINX_LOG = fileURLToPath(new URL('../demo/nginx-access.log', import.meta.url));
/** The recorded log stays importable however old it gets. */
const ENV = { INGEST_MAX_AGE_SECONDS: String(10 * 365 * 86_400) };

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface RunOptions {
  readonly key?: string;
  readonly env?: Record<string, string>;
  readonly input?: Buffer;
  /** Whether the standard input stays open. */
  readonly isOpen?: boolean;
}

/** Lines of one request, and requests under way at once, unless told otherwise. */
const BATCH = 2_000;
const IN_FLIGHT = 4;

let db: TestDatabase;
let service: TestService;
let proxy: Awaited<ReturnType<typeof startLosingProxy>>;
let directory: string;
let serial = 0;

const running: ChildProcess[] = [];

/** What it says every ten seconds of how far it is; none on a machine that has time. */
const PROGRESS = /^.* \d+ lines, \d+\/s.*\n/gm;

/** Starts the command against the service, behind the proxy; answers how it ended. */
function start(
  args: readonly string[],
  { key = ADMIN_KEY, env = {}, input, isOpen = false }: RunOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [CLI, 'import', ...args], {
    cwd: directory,
    env: { METERLINE_URL: proxy.url, ...ENV, METERLINE_API_KEY: key, ...env },
  });
  running.push(child);
  const texts = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  if (!isOpen) {
    child.stdin.end(input);
  }
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    out: texts.out,
    err: texts.err.replaceAll(PROGRESS, ''),
  }));
  return { child, ended };
}

const run = async (args: readonly string[], options?: RunOptions): Promise<Ended> =>
  await start(args, options).ended;

/** Starts the command, lets so many of its requests be answered, and waits until it waits for all others. */
async function startHeld(
  answered: number,
  args: readonly string[],
  inFlight = IN_FLIGHT,
): Promise<ReturnType<typeof start>> {
  proxy.holdAfter(answered);
  const started = start(args);
  await eventually(async () => await Promise.resolve(proxy.held() === inFlight));
  return started;
}

const fileOf = async (name: string, content: string | Buffer): Promise<string> => {
  const file = path.join(directory, name);
  await writeFile(file, content);
  return file;
};

async function source(format: string, mapping: object = {}): Promise<string> {
  const key = `s-${(serial += 1)}`;
  const answer = await service.post('/api/v1/sources', { key, name: key, format, mapping });
  expect(answer).toMatchObject({ status: 201 });
  return key;
}

const nginxSource = async (): Promise<string> =>
  await source('nginx-json', {
    ignore: [{ property: '$.consumer', op: 'in', value: [''] }],
  });

async function storedIn(key: string): Promise<number> {
  const [row] = await db.database.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM usage_events WHERE source = $1',
    [key],
  );
  return row?.count ?? 0;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
/** Long enough ago for a day of lines behind it. */
const BEGIN_MS = Date.now() - 2 * 86_400_000;
const combined = (second: number, user = 'acme'): string => {
  const [year = '', month = '', day = '', ...time] = new Date(BEGIN_MS + second * 1_000)
    .toISOString()
    .split(/\D/, 6);
  const at = `${day}/${MONTHS[Number(month) - 1] ?? ''}/${year}:${time.join(':')}`;
  return `10.0.0.1 - ${user} [${at} +0000] "GET /a HTTP/1.1" 200 612 "-" "wrk"`;
};
/** Equal lines all over: `perSecond` of each second, so that they stand around every border. */
const equalLines = (count: number, perSecond: number): string =>
  Array.from({ length: count }, (_, index) => `${combined(Math.floor(index / perSecond))}\n`).join(
    '',
  );

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'meterline-import-'));
  db = await createTestDatabase();
  service = await startService(db.url, ENV);
  proxy = await startLosingProxy(() => service.url);
});

afterEach(() => {
  proxy.holdAfter(Infinity);
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
  }
});

afterAll(async () => {
  proxy.close();
  await service.kill('SIGTERM');
  await db.drop();
  await rm(directory, { recursive: true });
});

describe('a recorded log', () => {
  it('is imported once, whether plain or compressed, from a file or the standard input', async () => {
    const key = await nginxSource();
    const bytes = await readFile(NGINX_LOG);
    const lines = bytes
      .toString()
      .split('\n')
      .filter((line) => line !== '');
    const usage = lines.filter((line) => !line.includes('"consumer":""')).length;
    await copyFile(NGINX_LOG, path.join(directory, 'access.log'));
    const first = await run(['access.log', '--source', key]);
    const ignored = lines.length - usage;
    expect(first).toEqual({
      code: 0,
      err: '',
      out: `${lines.length} records: accepted ${usage}, duplicate 0, conflict 0, ignored ${ignored}, rejected 0\n`,
    });
    expect(await storedIn(key)).toBe(usage);
    const again = `${lines.length} records: accepted 0, duplicate ${usage}, conflict 0, ignored ${ignored}, rejected 0\n`;
    await fileOf('access.log.1.gz', gzipSync(bytes));
    await fileOf('access.log.2.br', brotliCompressSync(bytes));
    for (const [args, input] of [
      [['access.log', '--from-start']],
      [['access.log.1.gz']],
      [['access.log.2.br']],
      [['-'], bytes],
      [['-'], gzipSync(bytes)],
    ] as [string[], Buffer?][]) {
      const ended = await run([...args, '-s', key], input === undefined ? {} : { input });
      expect([args, ended]).toEqual([args, { code: 0, err: '', out: again }]);
    }
    // Acknowledged lines are not even sent.
    const known = await run(['access.log', '--source', key]);
    expect(known.code).toBe(0);
    expect(known.out).toMatch(/^0 records:.*\n4153 lines were acknowledged before/);
    expect(await storedIn(key)).toBe(usage);
  });

  it('is only looked at by --dry-run, with the same figures', async () => {
    const key = await nginxSource();
    await copyFile(NGINX_LOG, path.join(directory, 'dry.log'));
    const dry = await run(['dry.log', '--source', key, '--dry-run']);
    expect(await storedIn(key)).toBe(0);
    const real = await run(['dry.log', '--source', key]);
    expect(dry).toEqual({ ...real, out: `Dry run, nothing was stored: ${real.out}` });
  });

  it('goes on with what was added to it, also to a line that had no end yet', async () => {
    const key = await source('nginx-combined');
    const file = await fileOf('growing.log', `${combined(1)}\n${combined(2).slice(0, 30)}`);
    const first = await run([file, '--source', key]);
    expect(first).toMatchObject({ code: 2, out: expect.stringContaining('accepted 1,') });
    await appendFile(file, `${combined(2).slice(30)}\n${combined(2)}\n`);
    const second = await run([file, '--source', key]);
    expect(second).toMatchObject({ code: 0, out: expect.stringContaining('accepted 2, dup') });
    // Another log under the same name is another log.
    await fileOf('growing.log', `${combined(3)}\n${combined(4)}\n`);
    const third = await run([file, '--source', key]);
    expect(third.out).toMatch(/^2 records: accepted 2,/);
    expect(await storedIn(key)).toBe(5);
  });

  it('may be a JSON array', async () => {
    const key = await source('json');
    const records = Array.from({ length: 4_500 }, (_, index) => ({
      subject: 'acme',
      data: { path: `/${index % 1_500}`, text: 'a,]}"' },
    }));
    const file = await fileOf('array.json', JSON.stringify(records, null, 2));
    const ended = await run([file, '--source', key]);
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('accepted 4500, dup') });
    expect(await storedIn(key)).toBe(4_500);
  });
});

describe('equal lines without an id', () => {
  it('all count, wherever requests begin and end, and once however often they are imported', async () => {
    const key = await source('nginx-combined');
    // Seven of each second stand around the border of every request; some seconds fill several.
    const burst = `${combined(80_000)}\n`.repeat(4_500);
    const file = await fileOf('equal.log', `${equalLines(9_001, 7)}${burst}${equalLines(14, 7)}`);
    const count = 9_001 + 4_500 + 14;
    const first = await run([file, '--source', key]);
    expect(first).toEqual({
      code: 0,
      err: '',
      out: `${count} records: accepted ${count}, duplicate 0, conflict 0, ignored 0, rejected 0\n`,
    });
    expect(await storedIn(key)).toBe(count);
    const second = await run([file, '--source', key, '--from-start', '--in-flight', '1']);
    expect(second.out).toContain(`accepted 0, duplicate ${count},`);
    expect(await storedIn(key)).toBe(count);
  });

  it('are exact after kill -9 in the middle, as often as it comes', async () => {
    const key = await source('nginx-combined');
    const count = 11 * BATCH;
    const file = await fileOf('killed.log', equalLines(count, 7));
    const state = `${file}.${key}.meterline-import`;
    const acknowledged = async (): Promise<number> => {
      const text = await readFile(state, 'utf8').catch(() => '{"lines":0}');
      return (JSON.parse(text) as { lines: number }).lines;
    };
    const seen = [0];
    for (let kill = 0; kill < 3; kill += 1) {
      const { child, ended } = await startHeld(2, [file, '--source', key]);
      await eventually(async () => (await acknowledged()) > (seen.at(-1) ?? 0));
      child.kill('SIGKILL');
      await ended;
      proxy.holdAfter(Infinity);
      seen.push(await acknowledged());
    }
    expect(seen.at(-1)).toBeLessThan(count);
    const rest = await run([file, '--source', key]);
    expect(rest.code).toBe(0);
    expect(rest.out).toContain(`${seen.at(-1) ?? 0} lines were acknowledged before`);
    expect(await storedIn(key)).toBe(count);
    const again = await run([file, '--source', key, '--from-start']);
    expect(again.out).toContain(`accepted 0, duplicate ${count},`);
    expect(await storedIn(key)).toBe(count);
  });
});

describe('what is rejected', () => {
  it('is told by reason, with examples, and makes the exit code 2', async () => {
    const key = await source('nginx-combined');
    const lines = [combined(1), 'nonsense', combined(2, '-'), combined(3), combined(4, '-')];
    const bad = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), Buffer.from([0xff, 0x0a])]);
    const file = await fileOf('bad.log', bad);
    for (const more of [['--dry-run'], []]) {
      const ended = await run([file, '--source', key, '--state-dir', '.', ...more]);
      expect(ended).toMatchObject({ code: 2, err: '' });
      expect(ended.out).toContain(
        '6 records: accepted 2, duplicate 0, conflict 0, ignored 0, rejected 4\n',
      );
      expect(ended.out).toContain(`invalid_line: 1, such as ${file}:2\n`);
      expect(ended.out).toContain(`missing_subject: 2, such as ${file}:3, ${file}:5\n`);
      expect(ended.out).toContain(`invalid_utf8: 1, such as ${file}:6\n`);
    }
    const input = Buffer.from('no\nlog\nat all\n');
    const none = await run(['-', '-s', key, '--dry-run'], { input });
    expect(none.code).toBe(2);
    expect(none.out).toContain('rejected 3\n  invalid_line: 3, such as -:1, -:2, -:3\n');
  });

  it('is a conflict where an id is known with another record', async () => {
    const key = await source('json', { data: { n: '$.n' } });
    const input = Buffer.from('{"id":"a","subject":"s","n":1}\n{"id":"a","subject":"s","n":2}\n');
    const ended = await run(['-', '-s', key], { input });
    expect(ended).toMatchObject({
      code: 2,
      out: expect.stringContaining('conflict: 1, such as -:2'),
    });
  });
});

describe('a service that is away', () => {
  it('is waited for while it restarts', async () => {
    const key = await source('nginx-combined');
    const file = await fileOf('restart.log', equalLines(8 * BATCH, 3));
    const { ended } = await startHeld(1, [file, '--source', key]);
    await service.kill('SIGKILL');
    // What is under way was stored or not, and the rest finds nobody.
    proxy.loseHeld();
    proxy.holdAfter(Infinity);
    service = await startService(db.url, ENV);
    const result = await ended;
    expect(result.code).toBe(0);
    expect(result.err).toMatch(/^no answer from http.*; trying again in \d s\n/);
    expect(await storedIn(key)).toBe(8 * BATCH);
  });

  it('is asked again as late as it says, and given up when it stays away', async () => {
    const key = await source('nginx-combined');
    const times: number[] = [];
    const busy = await listen(async (body) => {
      times.push(Date.now());
      if (times.length < 3) {
        return { status: times.length === 1 ? 503 : 429, body: '{}' };
      }
      const answer = await service.request('POST', `/api/v1/sources/${key}/events`, {
        headers: { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
        body,
      });
      return { status: answer.status, body: JSON.stringify(answer.body) };
    });
    const input = Buffer.from(`${combined(1)}\n`);
    const ended = await run(['-', '-s', key, '--url', busy.url], { input });
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('accepted 1,') });
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(990);
    await busy.close();
    const away = await run(['-', '-s', key, '--url', busy.url, '--retry-for', '0'], { input });
    expect(away).toMatchObject({ code: 1, out: '' });
    expect(away.err).toMatch(/^Gave up after 1 tries: no answer from http:.*ECONNREFUSED/);
  });
});

/** A service that stands between; `Retry-After` is a second. */
async function listen(
  answer: (body: Buffer) => Promise<{ status: number; body: string }>,
): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    void request
      .toArray()
      .then(async (chunks: Buffer[]) => await answer(Buffer.concat(chunks)))
      .then(({ status, body }) => response.writeHead(status, { 'retry-after': '1' }).end(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('what cannot be done', () => {
  const refuse = async (
    args: readonly string[],
    words: RegExp,
    options?: RunOptions,
  ): Promise<void> => {
    const ended = await run(args, options);
    expect([args, ended.code, ended.out]).toEqual([args, 1, '']);
    expect(ended.err).toMatch(words);
    expect(ended.err).not.toMatch(/ at .*\.js/);
  };

  it('is said in plain words, with exit code 1', async () => {
    const key = await source('nginx-combined');
    const file = await fileOf('good.log', `${combined(1)}\n`);
    await refuse([file, '-s', key], /^The API key is not valid at http.*401/, { key: 'mlk_wrong' });
    await refuse([file, '-s', 'nowhere'], /^There is no source 'nowhere' at http/);
    await refuse([file, '-s', 'nowhere', '--dry-run'], /^There is no source 'nowhere' at http/);
    await refuse(['missing.log', '-s', key], /^missing\.log cannot be read: it does not exist/);
    await refuse(['.', '-s', key], /^\. is a directory/);
    await refuse([file], /^Name the source by its key/);
    await refuse(['-s', key], /^Name at least one file/);
    await refuse([file, '-s', key, '--nonsense'], /Unknown option '--nonsense'/);
    await refuse([file, '-s', key, '--in-flight', '0'], /^--in-flight must be a whole number/);
    await refuse([file, '-s', key, '--url', 'ftp://a'], /^The URL of the service must be http/);
    await refuse([file, '-s', key], /^Give an API key: in METERLINE_API_KEY/, { key: '' });
    await refuse([file, '-s', key, '--key-file', 'none'], /^The key file .* does not exist/);
    await refuse([file, '-s', key, '--state-dir', 'none'], /Name a directory by --state-dir/);
    expect(await storedIn(key)).toBe(0);
  });

  it('is a file that is no log of the source, of which nothing is sent', async () => {
    const key = await source('nginx-combined');
    const rejected = async (): Promise<unknown> =>
      (await service.get(`/api/v1/events/rejected?source=${key}`)).body;
    const before = await rejected();
    const binary = await fileOf('core', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 10, 1, 10]));
    await refuse([binary, '-s', key], /core is no text: it holds NUL bytes/);
    await refuse([NGINX_LOG, '-s', key, '--state-dir', '.'], /is not in the format of the source/);
    const half = await fileOf('utf16.log', Buffer.from(`${combined(1)}\n`, 'utf16le'));
    await refuse([half, '-s', key], /is no text.*UTF-16/);
    expect(await rejected()).toEqual(before);
    expect(await storedIn(key)).toBe(0);
    // Later lines that cannot be read are refused alone.
    const file = await fileOf('late.log', `${equalLines(2_000, 1)}${'x\n'.repeat(2_000)}`);
    const late = await run([file, '-s', key]);
    expect(late).toMatchObject({ code: 2, out: expect.stringContaining('invalid_line: 2000') });
    const empty = await fileOf('empty.log', '');
    expect(await run([empty, '-s', key])).toMatchObject({ code: 0, err: `${empty} is empty.\n` });
  });

  it('is a second import of the same log at once; the lock of a dead one is taken over', async () => {
    const key = await source('nginx-combined');
    const file = await fileOf('twice.log', equalLines(8 * BATCH, 7));
    const first = await startHeld(1, [file, '--source', key]);
    await refuse([file, '-s', key], /twice\.log is being imported already, by process \d+/);
    first.child.kill('SIGKILL');
    await first.ended;
    proxy.holdAfter(Infinity);
    expect(await run([file, '-s', key])).toMatchObject({ code: 0, err: '' });
    expect(await storedIn(key)).toBe(8 * BATCH);
    expect((await readdir(directory)).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('is more after %s, which says so', async (signal) => {
    const key = await source('nginx-combined');
    const file = await fileOf(`${signal}.log`, equalLines(8 * BATCH, 7));
    const { child, ended } = await startHeld(1, [file, '--source', key]);
    child.kill(signal);
    const stopped = await ended;
    expect(stopped).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^Interrupted\. .*goes on/),
    });
    expect(stopped.out).toMatch(/^Until it stopped:\n\d+ records: accepted/);
    expect(await storedIn(key)).toBe((1 + IN_FLIGHT) * BATCH);
    proxy.holdAfter(Infinity);
    expect(await run([file, '--source', key])).toMatchObject({ code: 0 });
    expect(await storedIn(key)).toBe(8 * BATCH);
    // Also while it waits for a service that is away, or for input.
    const away = start([file, '-s', key, '--url', 'http://127.0.0.1:1', '--state-dir', '.']);
    await once(away.child.stderr ?? away.child, 'data');
    away.child.kill(signal);
    expect(await away.ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('Interrupted.'),
    });
    const other = await source('nginx-combined');
    const reading = start(['-', '-s', other], { isOpen: true });
    reading.child.stdin?.write(equalLines(2_500, 7));
    await eventually(async () => (await storedIn(other)) > 0);
    reading.child.kill(signal);
    expect(await reading.ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('Interrupted.'),
    });
  });

  it('is a log that became shorter while it was read', async () => {
    const key = await source('nginx-combined');
    const file = await fileOf('cut.log', equalLines(8 * BATCH, 7));
    const { ended } = await startHeld(1, [file, '--source', key, '--in-flight', '1'], 1);
    await truncate(file, 100);
    proxy.holdAfter(Infinity);
    expect(await ended).toMatchObject({ code: 1, err: expect.stringMatching(/became shorter/) });
  });

  it('is a log that is damaged; what comes before is kept', async () => {
    const key = await source('nginx-combined');
    const whole = gzipSync(equalLines(8_000, 1), { level: 0 });
    const file = await fileOf('cut.gz', whole.subarray(0, whole.length / 2));
    const ended = await run([file, '--source', key]);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(/^.*cut\.gz cannot be decompressed: unexpected end of file/);
    expect(ended.out).toMatch(/^Until it stopped:\n\d+ records: accepted/);
    expect(await storedIn(key)).toBeGreaterThan(0);
    await fileOf('cut.gz', whole);
    expect(await run([file, '--source', key])).toMatchObject({ code: 0 });
    expect(await storedIn(key)).toBe(8_000);
    await refuse(['-', '-s', key], /compressed with xz/, {
      input: Buffer.from('fd377a585a00', 'hex'),
    });
  });

  it('is more than a token of the source may do', async () => {
    const key = await source('nginx-combined');
    const made = await service.post(`/api/v1/sources/${key}/tokens`, { name: 'import' });
    const keyFile = await fileOf('token', `${String(made.body.token)}\n`);
    const file = await fileOf('token.log', `${combined(1)}\n`);
    const other = await source('nginx-combined');
    const args = (to: string): string[] => [file, '-s', to, '--key-file', keyFile];
    expect(await run(args(key), { key: '' })).toMatchObject({ code: 0 });
    expect(await run(args(other), { key: '' })).toMatchObject({ code: 1 });
  });

  it('is explained by --help', async () => {
    const ended = await run(['--help']);
    expect(ended).toMatchObject({ code: 0, err: '' });
    for (const word of ['--source', '--url', '--key-file', '--dry-run', 'Exit codes', 'gzip']) {
      expect(ended.out).toContain(word);
    }
  });
});
