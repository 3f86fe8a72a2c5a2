import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** When it had come, as of `performance.now()`. */
  readonly at: number;
}

interface ReceiverAnswer {
  /** 200 when not given. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** `hang`: no answer ever; `reset`: the connection breaks; `stall`: 200 and half a body. */
type ReceiverFault = 'hang' | 'reset' | 'stall';

type Answering = (
  request: ReceivedRequest,
  index: number,
) => ReceiverAnswer | ReceiverFault | Promise<ReceiverAnswer | ReceiverFault>;

/** A customer's system: takes webhooks on 127.0.0.1 and keeps what it got. */
export interface Receiver {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  /** Resolves as soon as so many requests have arrived in all. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a receiver that answers 200, or what `answer` says of each request (the first has index 0). */
export async function startReceiver({
  answer = () => ({}),
}: { answer?: Answering } = {}): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const take = async (incoming: IncomingMessage): Promise<ReceiverAnswer | ReceiverFault> => {
    const { method = '', url = '', headers } = incoming;
    const body = await text(incoming);
    const request = { method, path: url, headers, body, at: performance.now() };
    requests.push(request);
    for (const waiter of waiting.filter(({ count }) => count <= requests.length)) {
      waiter.resolve();
    }
    return await answer(request, requests.length - 1);
  };
  const reply = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const given = await take(incoming);
    if (given === 'reset') {
      incoming.socket.destroy();
    } else if (given === 'stall') {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half');
    } else if (given !== 'hang') {
      response.writeHead(given.status ?? 200, given.headers);
      response.end(given.body);
    }
  };
  const server = createServer((incoming, response) => {
    void reply(incoming, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    requests,
    arrived: async (count) => {
      await new Promise<void>((resolve) => {
        if (requests.length >= count) {
          resolve();
        } else {
          waiting.push({ count, resolve });
        }
      });
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
