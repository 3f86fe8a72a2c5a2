/*
 * A receiver of webhooks in a process of its own, so that what it takes is nobody's. By path: /ok answers
 * at once, /slow after five seconds, /flap with 503 every second time. GET /arrived tells when each
 * message came first, and forgets them.
 */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';

const SLOW_MS = 5_000;

/** When each message came first, in milliseconds since 1970, by its id. */
const arrived = new Map<string, number>();
let flaps = 0;

const server = createServer((request, response) => {
  const { url = '', headers } = request;
  if (request.method === 'GET') {
    response.end(JSON.stringify(Object.fromEntries(arrived)));
    arrived.clear();
    return;
  }
  request.resume().on('end', () => {
    const id = String(headers['webhook-id']);
    if (url.startsWith('/ok') && !arrived.has(id)) {
      arrived.set(id, performance.timeOrigin + performance.now());
    }
    flaps += url.startsWith('/flap') ? 1 : 0;
    response.statusCode = url.startsWith('/flap') && flaps % 2 === 1 ? 503 : 200;
    if (url.startsWith('/slow')) {
      setTimeout(() => response.end(), SLOW_MS);
    } else {
      response.end();
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ ready: `http://127.0.0.1:${port}` })}\n`);
});
