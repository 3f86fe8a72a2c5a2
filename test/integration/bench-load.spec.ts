/*
 * Aim: the load generator of the bench measures what it says. Method: a server that answers when it is
 * told to, so that nothing depends on how fast this machine is.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Connection } from '../bench/load/connection.js';
import { sendRequests } from '../bench/load/send-requests.js';

const REQUEST = Buffer.from('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}');

describe('the load generator', () => {
  let server: Server;
  let port: number;
  let answer: (response: ServerResponse, index: number) => void;
  let connections: Connection[];

  beforeEach(async () => {
    let index = 0;
    server = createServer((request, response) => {
      request.resume().on('end', () => {
        answer(response, index++);
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    port = (server.address() as AddressInfo).port;
    connections = [];
  });

  afterEach(async () => {
    for (const connection of connections) {
      connection.close();
    }
    await new Promise((resolve) => server.close(resolve));
  });

  const open = (count: number): Connection[] => {
    connections = Array.from({ length: count }, () => new Connection('127.0.0.1', port));
    return connections;
  };

  it('has as many requests under way as connections, and counts each answer once', async () => {
    const held: ServerResponse[] = [];
    let most = 0;
    answer = (response) => {
      held.push(response);
      most = Math.max(most, held.length);
      if (held.length === 4) {
        // In a large answer too, which comes in several pieces.
        held.splice(0).forEach((each) => each.end('x'.repeat(300_000)));
      }
    };
    const requests = Array.from({ length: 40 }, () => REQUEST);
    const { latencyUs } = await sendRequests(requests, open(4), null);
    expect(most).toBe(4);
    expect(latencyUs.totalCount).toBe(40);
  });

  it('counts waiting for the answers before as latency when requests start at a rate', async () => {
    // All are due at once, and share one connection: the last has waited for nearly all of it.
    answer = (response) => {
      response.end('{}');
    };
    const requests = Array.from({ length: 200 }, () => REQUEST);
    const { latencyUs, seconds } = await sendRequests(requests, open(1), 1_000_000_000);
    expect(latencyUs.maxValue).toBeGreaterThan(seconds * 1e6 * 0.9);
    expect(latencyUs.getValueAtPercentile(50)).toBeGreaterThan(latencyUs.minNonZeroValue);
  });

  it.each([
    ['another status', (response: ServerResponse) => response.writeHead(503).end('{"busy":1}')],
    ['no length', (response: ServerResponse) => response.write('x') && response.end()],
    ['a closed connection', (response: ServerResponse) => response.destroy()],
  ])('ends with a fault at %s', async (_, fault) => {
    answer = fault;
    await expect(sendRequests([REQUEST], open(1), null)).rejects.toThrow(Error);
  });
});
