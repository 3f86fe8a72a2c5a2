/* Programs that the demo and the bench run beside them, each a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { Mistake } from './mistake.js';

const END_WITH_PARENT = new URL('end-with-parent.mjs', import.meta.url).href;
const FIRST_ERROR_LEVEL = 50;

export interface Program {
  readonly process: ChildProcess;
  /** Where it listens, or whatever else it says when it is ready. */
  readonly url: string;
}

/** Every process that was started, in this order. */
const children: ChildProcess[] = [];
let isOver = false;

/**
 * Starts a program that prints JSON lines, and waits for the one that tells its address. Errors that
 * it logs are shown.
 *
 * @param args of Node, from its flags to the file and what follows it
 * @throws Mistake when it ends before, or everything is over
 */
export async function startProgram(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
  urlIn: (line: Record<string, unknown>) => unknown,
): Promise<Program> {
  if (isOver) {
    throw new Mistake(`${name} was about to start after the end.`);
  }
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // In a group of its own, so that Ctrl-C reaches only this program, which then stops the others.
    detached: true,
  });
  children.push(child);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout as Readable).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      const found = urlIn(line);
      if (typeof found === 'string') {
        resolve(found);
      }
      if (Number(line['level'] ?? 0) >= FIRST_ERROR_LEVEL) {
        process.stderr.write(`${text}\n`);
      }
    });
    child.once('exit', () => {
      // It has said why itself.
      reject(new Mistake(`${name} did not start.`));
    });
  });
  return { process: child, url };
}

/** Ends one program in its own way, and waits until it is gone. */
export async function stopProgram(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) {
    return;
  }
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

/**
 * Ends everything that was started, the last first, and lets nothing start any more.
 *
 * @returns whether any was killed, and may have left something behind
 */
export async function stopPrograms(): Promise<boolean> {
  isOver = true;
  for (const child of children.toReversed()) {
    await stopProgram(child);
  }
  return children.some(({ signalCode }) => signalCode !== null);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
