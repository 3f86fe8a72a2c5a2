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
  const env = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], TMPDIR: directory });
  const left = async (): Promise<string[]> => {
    const { stdout } = await run('ps', ['-eo', 'pid,args']);
    const running = stdout.split('\n').filter((line) => line.includes(directory));
    const files = (await readdir(directory)).filter((name) => name.startsWith('meterline'));
    return [...running, ...files];
  };

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
    ['its output closed', 141],
  ] as const)('leaves nothing behind after %s', async (end, code) => {
    const child = spawn(process.execPath, command('--quick', 'sizes'), {
      env: env(),
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
    expect(await ended).toBe(code);
    await eventually(async () => (await left()).length === 0);
  });

  it('names its sections when there is none of a name', async () => {
    await expect(run(process.execPath, command('speed'), { env: env() })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^There is no section 'speed'\.\nUsage: .+\nSections: requests, /,
      ),
    });
  });
});
