/*
 * Aim: the bench leaves nothing behind, however it ends. Method: the very program, ended while it sends
 * load; its temporary directory is made in one of ours.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/service-process.js';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../bench/main.ts', import.meta.url));

describe('npm run bench', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'meterline-bench-spec-'));
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const command = (...options: string[]): string[] => ['--import', 'tsx', MAIN, ...options];
  const envOf = (temporary: string): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    TMPDIR: temporary,
  });
  const left = async (temporary: string): Promise<string[]> => {
    const { stdout } = await run('ps', ['-eo', 'pid,args']);
    const running = stdout.split('\n').filter((line) => line.includes(temporary));
    const files = (await readdir(temporary)).filter((name) => name.startsWith('meterline'));
    return [...running, ...files];
  };

  /** Lets it begin to send load, ends it, and answers its exit code after nothing is left. */
  const codeAfter = async (end: NodeJS.Signals | 'its output closed'): Promise<unknown> => {
    const temporary = await mkdtemp(path.join(directory, 'one-'));
    const child = spawn(process.execPath, command('--quick', 'sizes'), {
      env: envOf(temporary),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const isLoading = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('190 bytes')) {
          resolve();
        }
      });
    });
    if (end === 'its output closed') {
      child.stdout.destroy();
    } else {
      await isLoading;
      child.kill(end);
    }
    const code = await ended;
    await eventually(async () => (await left(temporary)).length === 0);
    return code;
  };

  it('leaves nothing behind, however it ends', async () => {
    // At once: most of each is waiting for its own PostgreSQL.
    const [int, term, kill, closed] = await Promise.all([
      codeAfter('SIGINT'),
      codeAfter('SIGTERM'),
      codeAfter('SIGKILL'),
      codeAfter('its output closed'),
    ]);
    expect({ int, term, kill, closed }).toEqual({ int: 130, term: 143, kill: null, closed: 141 });
  });

  it('names its sections when there is none of a name', async () => {
    await expect(
      run(process.execPath, command('speed'), { env: envOf(directory) }),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^There is no section 'speed'\.\nUsage: .+\nSections: requests, /,
      ),
    });
  });
});
