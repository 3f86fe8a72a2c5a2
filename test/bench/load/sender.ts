/*
 * The load generator, a process of its own: it makes all requests before the clock starts, and says
 * how much of a processor it took, since on a small machine that is taken from the service.
 */
import { type FormatName, toRequest } from '../events/formats.js';
import { type BenchEvent, makeStream } from '../events/usage-events.js';
import { Connection } from './connection.js';
import { type FromSender, type Job, type LoadResult, type ToSender } from './job.js';
import { sendRequests } from './send-requests.js';

interface Prepared {
  readonly job: Job;
  readonly requests: readonly Buffer[];
}

function prepare(job: Job): Prepared {
  const events = makeStream(job.stream);
  const { host } = new URL(job.url);
  const requests: Buffer[] = [];
  for (let start = 0; start < events.length;) {
    const count = job.perRequest[requests.length % job.perRequest.length] ?? 1;
    requests.push(requestOf(job.format, events.slice(start, start + count), host, job.key));
    start += count;
  }
  return { job, requests };
}

function requestOf(
  format: FormatName,
  events: readonly BenchEvent[],
  host: string,
  key: string,
): Buffer {
  return toRequest(format, events, { host, key });
}

async function go({ job, requests }: Prepared): Promise<LoadResult> {
  const { hostname, port } = new URL(job.url);
  const connections = Array.from(
    { length: Math.min(job.connections, requests.length) },
    () => new Connection(hostname, Number(port)),
  );
  const before = process.cpuUsage();
  try {
    const { latencyUs, seconds } = await sendRequests(requests, connections, job.requestsPerSecond);
    const { user, system } = process.cpuUsage(before);
    const at = (percentile: number): number => latencyUs.getValueAtPercentile(percentile) / 1_000;
    const events = job.stream.fresh.count;
    return {
      events,
      requests: requests.length,
      seconds,
      eventsPerSecond: events / seconds,
      requestsPerSecond: requests.length / seconds,
      p50Ms: at(50),
      p99Ms: at(99),
      p999Ms: at(99.9),
      maxMs: latencyUs.maxValue / 1_000,
      senderShare: (user + system) / 1e6 / seconds,
    };
  } finally {
    for (const connection of connections) {
      connection.close();
    }
  }
}

let prepared: Prepared | null = null;
const answer = (message: FromSender): void => {
  process.send?.(message);
};

async function handle(message: ToSender): Promise<void> {
  if ('prepare' in message) {
    prepared = prepare(message.prepare);
    answer({ prepared: true });
  } else if (prepared !== null) {
    const result = await go(prepared);
    prepared = null;
    answer({ done: result });
  }
}

process.on('message', (message: ToSender) => {
  handle(message).catch((error: unknown) => {
    answer({ failed: String(error instanceof Error ? error.message : error) });
  });
});
process.stdout.write('{"ready":"yes"}\n');
