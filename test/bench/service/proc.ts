/* What the kernel says of processes: processor time and memory. On Linux only; elsewhere null. */
import { readdir, readFile } from 'node:fs/promises';

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KILOBYTE = 1_024;

interface Times {
  readonly parent: number;
  readonly own: number;
  /** Of its children that have ended. */
  readonly ended: number;
}

/** proc(5), /proc/pid/stat: what stands behind the name, which may hold anything. */
async function timesOf(pid: number | string): Promise<Times | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) {
    return null;
  }
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const seconds = (...indexes: number[]): number =>
    indexes.reduce((sum, index) => sum + (fields[index] ?? 0), 0) / TICKS_PER_SECOND;
  return { parent: fields[1] ?? 0, own: seconds(11, 12), ended: seconds(13, 14) };
}

/** Seconds on a processor, user and system, that a process has taken so far. */
export async function cpuSeconds(pid: number): Promise<number | null> {
  return (await timesOf(pid))?.own ?? null;
}

/** The same of a process with its children, those that have ended included. */
export async function familyCpuSeconds(pid: number): Promise<number | null> {
  const head = await timesOf(pid);
  if (head === null) {
    return null;
  }
  const names = await readdir('/proc');
  const all = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(timesOf));
  const children = all.filter((times) => times?.parent === pid);
  return children.reduce((sum, times) => sum + (times?.own ?? 0), head.own + head.ended);
}

/** Resident bytes of a process, now and at most so far. */
export async function residentBytes(pid: number): Promise<{ now: number; peak: number } | null> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  if (text === null) {
    return null;
  }
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * KILOBYTE;
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}
