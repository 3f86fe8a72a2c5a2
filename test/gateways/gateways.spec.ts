/*
 * Aim: the configurations of docs/gateways.md are right: what real gateways log is counted once,
 * whatever fails on the way.
 * Method: the very blocks of that page, with other paths and addresses, given to the programs of the
 * distribution; the service and the forwarder are killed in the middle.
 *
 * Needs nginx, syslog-ng with its module http, and caddy on the PATH. Debian: apt install nginx-light
 * syslog-ng-core syslog-ng-mod-http caddy. Run by `npm run test:gateways`; no part of `npm test`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  ADMIN_KEY,
  eventually,
  startService,
  type TestService,
} from '../support/service-process.js';

const PAGE = fileURLToPath(new URL('../../docs/gateways.md', import.meta.url));
const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
const PROGRAMS = ['nginx', 'syslog-ng', 'caddy'];
const BURST = 40;

let db: TestDatabase;
let service: TestService;
let directory: string;
let blocks: ReadonlyMap<string, string>;
let serial = 0;
const running: ChildProcess[] = [];

beforeAll(async () => {
  const missing = PROGRAMS.filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length > 0) {
    throw new Error(`These programs are not on the PATH: ${missing.join(', ')}`);
  }
  const page = await readFile(PAGE, 'utf8');
  blocks = new Map(
    [...page.matchAll(/```(\S+)\n(.*?)```/gs)].map(([, name = '', text = '']) => [name, text]),
  );
  directory = await mkdtemp(path.join(tmpdir(), 'meterline-gateways-'));
  // nginx's workers may run as another user.
  await chmod(directory, 0o755);
  db = await createTestDatabase();
  service = await startService(db.url);
});

afterEach(async () => {
  // A killed nginx would leave its workers.
  await Promise.all(running.splice(0).map(async (child) => await stop(child, 'SIGTERM')));
});

afterAll(async () => {
  await service.kill('SIGTERM');
  await db.drop();
  await rm(directory, { recursive: true });
});

function run(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  running.push(child);
  return child;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
}

/** A block of the page, at these places. */
function block(name: string, source: string, token: string, log: string): string {
  const text = blocks.get(name);
  if (text === undefined) {
    throw new Error(`docs/gateways.md has no block '${name}'`);
  }
  return text
    .replaceAll('https://meterline.example', service.url)
    .replaceAll('mlk_…', token)
    .replaceAll('sources/nginx-eu', `sources/${source}`)
    .replaceAll(/\/var\/log\/\w+\/usage\.log/g, log);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Gateway {
  /** Where it takes requests. */
  readonly url: string;
  /** What it logs to. */
  readonly log: string;
  readonly source: string;
  readonly token: string;
  readonly process: ChildProcess;
}

async function startGateway(kind: 'nginx' | 'caddy'): Promise<Gateway> {
  const source = `${kind}-${(serial += 1)}`;
  const [format, mapping] =
    kind === 'nginx'
      ? ['nginx-json', {}]
      : ['caddy', { subject: '$.request.remote_ip', data: { path: '$.request.uri' } }];
  const made = await service.post('/api/v1/sources', {
    key: source,
    name: source,
    format,
    mapping,
  });
  expect(made.status).toBe(201);
  const { body } = await service.post(`/api/v1/sources/${source}/tokens`, { name: 'gateway' });
  const log = path.join(directory, `${source}.log`);
  const port = await freePort();
  const file = path.join(directory, `${source}.conf`);
  const own = block(kind === 'nginx' ? 'nginx' : 'caddyfile', source, body.token, log);
  await writeFile(file, kind === 'nginx' ? nginxConf(own, port, source) : caddyfile(own, port));
  const process =
    kind === 'nginx'
      ? run('nginx', ['-p', directory, '-c', file, '-e', `${source}.err`, '-g', 'daemon off;'])
      : run('caddy', ['run', '--config', file, '--adapter', 'caddyfile']);
  const url = `http://127.0.0.1:${port}/`;
  await eventually(async () => await fetch(`${url}up`).catch(() => null));
  return { url, log, source, token: body.token, process };
}

const nginxConf = (own: string, port: number, name: string): string => `
pid ${name}.pid;
events {}
http {
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((part) => `${part}_temp_path tmp_${name}_${part};`).join('\n')}
  ${own}
  server { listen 127.0.0.1:${port}; location / { return 200 "ok"; } }
}`;

const caddyfile = (own: string, port: number): string => `
{
  admin off
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  respond "ok"
  ${own}
}`;

/** Calls the gateway; one more has been made to see that it is up. */
async function call({ url }: Gateway): Promise<void> {
  const headers = { authorization: `Basic ${Buffer.from('acme:x').toString('base64')}` };
  for (let index = 0; index < BURST; index += 1) {
    expect((await fetch(`${url}${index}`, { headers })).status).toBe(200);
  }
}

async function prepareForwarder(gateway: Gateway): Promise<() => ChildProcess> {
  const conf = path.join(directory, `${gateway.source}.syslog-ng.conf`);
  const own = block('syslog-ng', gateway.source, gateway.token, gateway.log).replace(
    'reliable(yes)',
    `reliable(yes) dir("${directory}")`,
  );
  await writeFile(conf, `@version: 3.38\noptions { stats-freq(0); };\n${own}`);
  const at = (what: string): string => path.join(directory, `${gateway.source}.${what}`);
  const files = ['-f', conf, '-R', at('persist'), '-p', at('forwarder.pid'), '-c', at('ctl')];
  return () => run('syslog-ng', ['-F', '--no-caps', ...files]);
}

async function counts(source: string): Promise<{ stored: number; ids: number }> {
  const [row] = await db.database.query<{ stored: number; ids: number }>(
    `SELECT count(*)::integer AS stored, count(DISTINCT id)::integer AS ids
     FROM usage_events WHERE source = $1 AND data ->> 'path' <> '/up'`,
    [source],
  );
  return row ?? { stored: 0, ids: 0 };
}

async function expectStored(source: string, count: number): Promise<void> {
  await eventually(async () => (await counts(source)).stored >= count);
  expect(await counts(source)).toEqual({ stored: count, ids: count });
}

describe.each(['nginx', 'caddy'] as const)('%s', (kind) => {
  it('is counted once through syslog-ng, whatever is killed', async () => {
    const gateway = await startGateway(kind);
    const forward = await prepareForwarder(gateway);
    const first = forward();
    await call(gateway);
    await expectStored(gateway.source, BURST);
    const port = new URL(service.url).port;
    await service.kill('SIGKILL');
    await call(gateway);
    await stop(first, 'SIGKILL');
    const second = forward();
    await call(gateway);
    service = await startService(db.url, { PORT: port });
    await expectStored(gateway.source, 3 * BURST);
    await call(gateway);
    await stop(second, 'SIGKILL');
    forward();
    await expectStored(gateway.source, 4 * BURST);
  });

  it('is counted once by import, also after its log was moved', async () => {
    const gateway = await startGateway(kind);
    const importAll = async (...files: string[]): Promise<number | null> => {
      const child = spawn(
        process.execPath,
        [CLI, 'import', ...files, '--source', gateway.source, '--url', service.url],
        { env: { METERLINE_API_KEY: ADMIN_KEY }, stdio: 'inherit' },
      );
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    };
    await call(gateway);
    // Calls without a consumer have no subject: those that asked whether nginx is up.
    const expected = kind === 'nginx' ? 2 : 0;
    expect(await importAll(gateway.log)).toBe(expected);
    await rename(gateway.log, `${gateway.log}.1`);
    await call(gateway);
    if (kind === 'nginx') {
      gateway.process.kill('SIGUSR1');
      await eventually(async () => await readFile(gateway.log).catch(() => null));
      await call(gateway);
      await importAll(`${gateway.log}.1`, gateway.log);
      await expectStored(gateway.source, 3 * BURST);
    } else {
      await importAll(`${gateway.log}.1`);
      await expectStored(gateway.source, 2 * BURST);
    }
  });
});
