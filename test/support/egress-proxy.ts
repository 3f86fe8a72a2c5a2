import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** An egress proxy on 127.0.0.1: takes CONNECT, looks names up in a table of its own, and keeps what it was asked. */
export interface EgressProxy {
  readonly url: string;
  /** `host:port` of each CONNECT, and its proxy-authorization. */
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

/**
 * Starts a proxy.
 *
 * @param route to which port of 127.0.0.1 a host leads, or the status of a refusal
 */
export async function startEgressProxy(
  route: (host: string, port: number) => { readonly port: number } | { readonly status: number },
): Promise<EgressProxy> {
  const asked: EgressProxy['asked'] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    const target = request.url ?? '';
    asked.push({ target, authorization: request.headers['proxy-authorization'] });
    const { hostname, port } = new URL(`http://${target}`);
    const to = route(hostname, Number(port || 80));
    socket.on('error', () => undefined);
    if ('status' in to) {
      socket.end(`HTTP/1.1 ${to.status} No\r\n\r\n`);
      return;
    }
    const upstream = connect(to.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
