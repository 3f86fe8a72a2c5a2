/*
 * Sends requests that are ready. A closed loop keeps every connection busy, and so finds how much the
 * service takes. An open loop starts requests at a constant rate and measures each from when it was to
 * start: what waits because others are slow counts as waiting (no coordinated omission).
 */
import { performance } from 'node:perf_hooks';
import { build, type Histogram } from 'hdr-histogram-js';
import { type Connection } from './connection.js';

const TICK_MS = 1;
const MAX_LATENCY_US = 600_000_000;

export interface Sent {
  readonly latencyUs: Histogram;
  readonly seconds: number;
}

/** Sends all of them over these connections. Any answer but 200 ends it. */
export async function sendRequests(
  requests: readonly Buffer[],
  connections: readonly Connection[],
  requestsPerSecond: number | null,
): Promise<Sent> {
  const latencyUs = build({
    highestTrackableValue: MAX_LATENCY_US,
    numberOfSignificantValueDigits: 3,
  });
  const idle = [...connections];
  const startedAt = performance.now();
  /** When a request is to start. */
  const dueAt = (index: number, now: number): number =>
    requestsPerSecond === null ? now : startedAt + (index * 1_000) / requestsPerSecond;
  let next = 0;
  let left = requests.length;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    const startDue = (): void => {
      const now = performance.now();
      while (next < requests.length && dueAt(next, now) <= now) {
        const connection = idle.pop();
        if (connection === undefined) {
          return;
        }
        start(connection, requests[next] as Buffer, dueAt(next, now));
        next += 1;
      }
    };
    const start = (connection: Connection, request: Buffer, due: number): void => {
      connection.send(request, (error) => {
        if (error !== null) {
          reject(error);
          return;
        }
        latencyUs.recordValue(Math.round((performance.now() - due) * 1_000));
        idle.push(connection);
        left -= 1;
        if (left === 0) {
          resolve();
        } else {
          startDue();
        }
      });
    };
    startDue();
    if (requestsPerSecond !== null) {
      timer = setInterval(startDue, TICK_MS);
    }
  }).finally(() => {
    clearInterval(timer);
  });
  return { latencyUs, seconds: (performance.now() - startedAt) / 1_000 };
}
