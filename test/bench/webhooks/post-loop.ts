/* What the deliveries are compared with: the same POSTs by undici alone, signed, with nothing stored. */
import { createHmac } from 'node:crypto';
import { Agent, request } from 'undici';

/** Sends `count` messages over as many connections as there may be calls under way; answers the seconds. */
export async function postAll(url: string, count: number, connections: number): Promise<number> {
  const agent = new Agent({ connections });
  const body = JSON.stringify({ type: 'webhook.test', sequence: 1, data: 'x'.repeat(500) });
  const key = Buffer.alloc(24, 7);
  let next = 0;
  const startedAt = performance.now();
  const send = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      const id = `msg_${next}`;
      const seconds = String(Math.floor(performance.timeOrigin / 1_000));
      const signature = createHmac('sha256', key)
        .update(`${id}.${seconds}.${body}`)
        .digest('base64');
      const { body: answer } = await request(`${url}/${next % 50}`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': seconds,
          'webhook-signature': `v1,${signature}`,
        },
        body,
      });
      await answer.dump();
    }
  };
  await Promise.all(Array.from({ length: connections }, send));
  const elapsed = (performance.now() - startedAt) / 1_000;
  await agent.close();
  return elapsed;
}
