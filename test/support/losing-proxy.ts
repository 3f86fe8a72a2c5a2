import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Stands before a service, and loses the answers to the first POSTs: their connections break. */
export async function startLosingProxy(
  target: string,
): Promise<{ url: string; lose(count: number): void; close(): void }> {
  let left = 0;
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
      if (request.method === 'POST' && left > 0) {
        left -= 1;
        request.socket.destroy();
        return;
      }
      const type = answer.headers.get('content-type');
      response.writeHead(answer.status, type === null ? {} : { 'content-type': type });
      response.end(text);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    lose: (count) => {
      left = count;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
