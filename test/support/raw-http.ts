import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ADMIN_KEY, type TestService } from './service-process.js';

export interface RawAnswer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** A connection on which anything can be written. */
export async function dial(service: TestService): Promise<Socket> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  // What the service cuts off while we write is no fault of the test.
  socket.on('error', () => undefined);
  return socket;
}

/** All that comes until the connection ends, as one answer; status 0 when nothing came. */
export async function answerOf(socket: Socket): Promise<RawAnswer> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  await once(socket, 'close');
  const [headers = '', body = ''] = text.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), headers, body };
}

/** The start of a POST with these headers, each a line; the connection ends with its answer. */
export function head(path: string, ...lines: readonly string[]): string {
  const own = [`POST ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${ADMIN_KEY}`];
  return [...own, 'Connection: close', ...lines, '', ''].join('\r\n');
}
