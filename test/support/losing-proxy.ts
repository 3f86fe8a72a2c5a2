import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Stands before a service, notes what it answers, and loses the answers to the first POSTs: their connections break. */
export async function startLosingProxy(target: string): Promise<{
  url: string;
  /** Of all answers so far. */
  statuses: readonly number[];
  lose(count: number): void;
  close(): void;
}> {
  let left = 0;
  const statuses: number[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = request.headers;
      const answer = await fetch(`${target}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers: headers as Record<string, string>,
        ...(body.length > 0 && { body }),
      });
      const text = Buffer.from(await answer.arrayBuffer());
      statuses.push(answer.status);
      if (request.method === 'POST' && left > 0) {
        left -= 1;
        request.socket.destroy();
        return;
      }
      const kept = ['content-type', 'retry-after'].flatMap((name) => {
        const value = answer.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      response.writeHead(answer.status, Object.fromEntries(kept) as Record<string, string>);
      response.end(text);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    statuses,
    lose: (count) => {
      left = count;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
