/* A load generator: bodies are ready before the clock starts; as many requests are open as there are connections. */
import { build } from 'hdr-histogram-js';
import { Agent, request } from 'undici';
import { type BenchEvent } from './events.js';

export interface LoadResult {
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface Target {
  readonly url: string;
  readonly key: string;
}

/** Sends all events, `perRequest` to a request, over `connections` connections. Any answer but 200 ends the run. */
export async function load(
  target: Target,
  events: readonly BenchEvent[],
  perRequest: number,
  connections: number,
): Promise<LoadResult> {
  const bodies: Buffer[] = [];
  for (let start = 0; start < events.length; start += perRequest) {
    const sent = perRequest === 1 ? events[start] : events.slice(start, start + perRequest);
    bodies.push(Buffer.from(JSON.stringify(sent)));
  }
  const agent = new Agent({ connections, pipelining: 1 });
  const latency = build({ lowestDiscernibleValue: 1, highestTrackableValue: 120_000_000 });
  let next = 0;
  const sender = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      const sentAt = process.hrtime.bigint();
      const answer = await request(target.url, {
        method: 'POST',
        dispatcher: agent,
        headers: { authorization: `Bearer ${target.key}`, 'content-type': 'application/json' },
        body,
      });
      if (answer.statusCode !== 200) {
        const text = await answer.body.text();
        throw new Error(`The service answered ${answer.statusCode}: ${text.slice(0, 300)}`);
      }
      await answer.body.dump();
      latency.recordValue(Number((process.hrtime.bigint() - sentAt) / 1_000n));
    }
  };
  const startedAt = process.hrtime.bigint();
  await Promise.all(Array.from({ length: connections }, sender));
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  await agent.close();
  const at = (percentile: number): number => latency.getValueAtPercentile(percentile) / 1_000;
  return {
    eventsPerSecond: events.length / seconds,
    p50Ms: at(50),
    p99Ms: at(99),
    p999Ms: at(99.9),
  };
}
