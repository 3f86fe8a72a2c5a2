/*
 * Aim: the demo's story, which is the product's: a gateway's log becomes paid invoices, and a second
 * run bills nothing twice; however it ends, nothing is left running. Method: the very program, in processes.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/service-process.js';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

describe('npm run demo', () => {
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-demo-'));
  });

  afterAll(async () => {
    await rm(dataDir, { recursive: true, force: true });
  });

  const command = (...options: string[]): string[] => ['--import', 'tsx', MAIN, ...options];
  const env = (): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    METERLINE_DATA_DIR: dataDir,
  });
  const demo = async (): Promise<string> => {
    const { stdout } = await run(process.execPath, command(), { env: env() });
    return stdout;
  };
  /** Processes that name the data directory: the double, and PostgreSQL, which outlives its service. */
  const leftRunning = async (): Promise<string[]> => {
    const { stdout } = await run('ps', ['-eo', 'pid,args']);
    return stdout.split('\n').filter((line) => line.includes(dataDir));
  };
  const section = (report: string, from: string, to: string): string =>
    report.slice(report.indexOf(from), report.indexOf(to));

  it('bills a recorded log, and nothing twice when it is run again', async () => {
    const first = await demo();
    expect(first).toContain('4043 accepted, 0 duplicates, 0 conflicts, 0 rejected');
    // Counted in the log by hand: 2,161 requests of acme's keys, 15 of them 500s; its bytes.
    expect(first).toMatch(/acme +requests +\S+ to \S+ +2146\n/);
    expect(first).toMatch(/acme +egress +\S+ to \S+ +19071656\n/);
    // 19,071,656 × 0.0000009 = 17.1644904 and 2,146 × 0.004 = 8.584, each rounded once.
    expect(first).toMatch(/acme +egress +19071656 +17\.16 usd +paid/);
    expect(first).toMatch(/acme +requests +2146 +8\.58 usd +paid/);
    expect(first).toMatch(/acme +\S+ +74\.74 usd +paid/);
    expect(first).toMatch(/invoice\.finalized +4 +4 +4\n/);
    expect(first).toMatch(/invoice\.paid +4 +4 +4\n/);
    const second = await demo();
    expect(second).toContain('0 accepted, 4043 duplicates, 0 conflicts, 0 rejected');
    expect(section(second, 'Usage, per', 'Webhooks')).toBe(
      section(first, 'Usage, per', 'Webhooks'),
    );
  });

  it.each([
    ['SIGHUP', 'Read', 129],
    ['SIGINT', 'Meterline runs', 130],
    ['SIGTERM', 'Sent the log', 143],
    ['SIGKILL', 'Sent the log', null],
  ] as const)('leaves nothing running when %s comes after "%s"', async (signal, words, code) => {
    const child = spawn(process.execPath, command(), {
      env: env(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let said = '';
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(words)) {
          resolve();
        }
      });
    });
    child.kill(signal);
    expect(await ended).toBe(code);
    if (signal === 'SIGKILL') {
      await eventually(async () => (await leftRunning()).length === 0);
    }
    expect(await leftRunning()).toEqual([]);
  });

  it.each([
    ['is not there', null, 'cannot be read: it does not exist.'],
    ['is another format', '127.0.0.1 - - "GET / HTTP/1.1" 200\n', 'line 1 is not in the format of'],
    ['misses fields', '{"msec":"1.0"}\n', 'line 1 is not in the format of'],
    ['is empty', '', 'there is nothing to bill.'],
  ])('says in a line what is wrong with a log that %s', async (_, text, words) => {
    const file = path.join(dataDir, 'some.log');
    await rm(file, { force: true });
    if (text !== null) {
      await writeFile(file, text);
    }
    const failed = run(process.execPath, command(file), { env: env() });
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^[^\n]+\n$/),
    });
    await expect(failed).rejects.toThrow(words);
  });

  it('says in two lines that its port is taken, and leaves nothing running', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const PORT = String((server.address() as AddressInfo).port);
    await expect(
      run(process.execPath, command(), { env: { ...env(), PORT } }),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Meterline cannot listen on port [^\n]+\n[^\n]+\n$/),
    });
    expect(await leftRunning()).toEqual([]);
    await new Promise((resolve) => server.close(resolve));
  });
});
