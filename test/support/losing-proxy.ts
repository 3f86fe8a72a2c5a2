import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * Stands before a service, notes what it answers, and loses answers to POSTs, whose connections break,
 * or holds them: what was sent is done, and its sender does not know.
 */
export async function startLosingProxy(target: string | (() => string)): Promise<{
  url: string;
  /** Of all answers so far. */
  statuses: readonly number[];
  /** The answers to the next POSTs. */
  lose(count: number): void;
  /** Holds the answers to POSTs after so many more, until it is told another number. */
  holdAfter(count: number): void;
  /** How many answers are held. */
  held(): number;
  /** Loses the answers that are held. */
  loseHeld(): void;
  close(): void;
}> {
  let left = 0;
  const answers = { passing: Infinity };
  const held: ((then: 'look' | 'break') => void)[] = [];
  const statuses: number[] = [];
  const mayPass = async (): Promise<boolean> => {
    while (answers.passing <= 0) {
      if ((await new Promise<'look' | 'break'>((resolve) => held.push(resolve))) === 'break') {
        return false;
      }
    }
    answers.passing -= 1;
    return true;
  };
  const letGo = (then: 'look' | 'break'): void => {
    for (const settle of held.splice(0)) {
      settle(then);
    }
  };
  const server = createServer((request, response) => {
    const forward = async (): Promise<void> => {
      const body = await buffer(request);
      const base = typeof target === 'string' ? target : target();
      const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = request.headers;
      const answer = await fetch(`${base}${request.url ?? ''}`, {
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
      if (request.method === 'POST' && !(await mayPass())) {
        request.socket.destroy();
        return;
      }
      const kept = ['content-type', 'retry-after'].flatMap((name) => {
        const value = answer.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      response.writeHead(answer.status, Object.fromEntries(kept) as Record<string, string>);
      response.end(text);
    };
    // A service that is away is a connection that breaks.
    forward().catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    statuses,
    lose: (count) => {
      left = count;
    },
    holdAfter: (count) => {
      answers.passing = count;
      letGo('look');
    },
    loseHeld: () => {
      letGo('break');
    },
    held: () => held.length,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
