/*
 * Aim: no call reaches an address that the rules forbid, however the URL says it. Method: a real
 * receiver on 127.0.0.1, which is forbidden unless a test allows it, and names of our own.
 */
import { type AddressInfo, createServer } from 'node:net';
import { buildConnector } from 'undici';
import { AddressRules } from '../../src/platform/outbound/address-rules.js';
import { guardedConnector, type Resolve } from '../../src/platform/outbound/guarded-connector.js';
import {
  KEPT_RESPONSE_BYTES,
  OutboundHttp,
  type OutboundResult,
} from '../../src/platform/outbound/outbound-http.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';

const LOOPBACK = { address: '127.0.0.1', family: 4 };
const LOCAL = ['127.0.0.0/8'];

/** Names that resolve to what a test says; a list of lists gives one answer after the other. */
const names =
  (table: Record<string, string[][]>): Resolve =>
  (hostname, _, callback) => {
    const answers = table[hostname] ?? [];
    const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    const error = Object.assign(new Error(`no ${hostname}`), { code: 'ENOTFOUND' });
    process.nextTick(() => {
      callback(
        addresses.length > 0 ? null : error,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    });
  };

describe('OutboundHttp', () => {
  let db: TestDatabase;
  let receiver: Receiver;
  const open: (Receiver | { close(): Promise<void> })[] = [];

  const client = (cidrs: string[], resolve?: Resolve): OutboundHttp => {
    const outbound = new OutboundHttp(new AddressRules(cidrs), db.database, resolve);
    open.push({ close: async () => await outbound.onApplicationShutdown() });
    return outbound;
  };
  const post = async (
    outbound: OutboundHttp,
    url: string,
    timeoutMs = 30_000,
  ): Promise<OutboundResult> =>
    await outbound.post({ url, headers: { 'x-test': '1' }, body: '{"a":1}', timeoutMs });
  const receive = async (options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> => {
    const started = await startReceiver(options);
    open.push(started);
    return started;
  };
  const port = (): string => new URL(receiver.url).port;

  beforeAll(async () => {
    db = await createTestDatabase();
    receiver = await startReceiver();
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map(async (one) => await one.close()));
  });

  afterAll(async () => {
    expect(receiver.requests).toEqual([]);
    await receiver.close();
    await db.drop();
  });

  it('sends the very bytes and answers the status and the beginning of the body', async () => {
    const target = await receive({ answer: () => ({ status: 201, body: 'thanks' }) });
    expect(await post(client(LOCAL), target.url)).toEqual({
      kind: 'answered',
      status: 201,
      address: '127.0.0.1',
      headers: expect.objectContaining({ 'transfer-encoding': 'chunked' }),
      start: 'thanks',
      cutBy: null,
    });
    expect(target.requests).toMatchObject([
      { method: 'POST', path: '/hook', body: '{"a":1}', headers: { 'x-test': '1' } },
    ]);
  });

  it.each([
    ['127.0.0.1'],
    ['2130706433'],
    ['0x7f.1'],
    ['0177.0.0.1'],
    ['127.1'],
    ['0.0.0.0'],
    ['[::1]'],
    ['[::ffff:127.0.0.1]'],
    ['[::ffff:7f00:1]'],
    ['[::127.0.0.1]'],
    ['[64:ff9b::7f00:1]'],
    ['localhost'],
  ])('does not reach this machine as %s', async (host) => {
    const answer = await post(client([]), `https://${host}:${port()}/`);
    expect(answer).toMatchObject({ kind: 'failed', fault: 'blocked' });
  });

  it('does not reach a name that resolves inside, even if only one of its addresses is', async () => {
    const resolve = names({
      'inside.test': [['127.0.0.1']],
      'mixed.test': [['8.8.8.8', '127.0.0.1']],
      'inside6.test': [['::1']],
      'mapped.test': [['::ffff:127.0.0.1']],
    });
    const outbound = client([], resolve);
    for (const name of ['inside.test', 'mixed.test', 'inside6.test', 'mapped.test']) {
      const answer = await post(outbound, `https://${name}:${port()}/`);
      expect(answer).toMatchObject({ kind: 'failed', fault: 'blocked' });
    }
  });

  it('is not fooled by a name that is public when checked and inside when called', async () => {
    const outbound = client([], names({ 'rebound.test': [['8.8.8.8'], ['127.0.0.1']] }));
    const url = `https://rebound.test:${port()}/`;
    expect(await outbound.findFault(url)).toBeNull();
    expect(await post(outbound, url)).toMatchObject({ kind: 'failed', fault: 'blocked' });
  });

  it('drops a socket that ended up at a forbidden address all the same', async () => {
    const unvetted = buildConnector({ lookup: (_, __, done) => done(null, [LOOPBACK]) });
    const connect = guardedConnector(new AddressRules([]), unvetted);
    const error = await new Promise((resolve) => {
      const options = { hostname: 'any.test', protocol: 'http:', port: port() };
      connect(options, (...[fault]) => {
        resolve(fault);
      });
    });
    expect(error).toMatchObject({ code: 'BLOCKED_ADDRESS' });
  });

  it('calls a name without https only in networks that were named', async () => {
    const target = await receive();
    const at = new URL(target.url).port;
    const resolve = names({ 'lan.test': [['127.0.0.1']], 'public.test': [['8.8.8.8']] });
    const outbound = client(LOCAL, resolve);
    expect(await post(outbound, `http://lan.test:${at}/`)).toMatchObject({ status: 200 });
    expect(await post(outbound, 'http://public.test/')).toMatchObject({ fault: 'blocked' });
    expect(await post(client([], resolve), `http://lan.test:${at}/`)).toMatchObject({
      fault: 'blocked',
    });
  });

  it('does not follow a redirect', async () => {
    const location = `http://127.0.0.1:${port()}/`;
    const target = await receive({ answer: () => ({ status: 307, headers: { location } }) });
    expect(await post(client(LOCAL), target.url)).toMatchObject({ kind: 'answered', status: 307 });
  });

  it.each([
    ['hang', { kind: 'failed', fault: 'timeout' }],
    ['reset', { kind: 'failed', fault: 'reset' }],
    ['stall', { kind: 'answered', status: 200, start: 'half', cutBy: 'timeout' }],
  ] as const)('ends in time when the receiver does %s', async (fault, expected) => {
    const target = await receive({ answer: () => fault });
    expect(await post(client(LOCAL), target.url, 1_500)).toMatchObject(expected);
  });

  it('keeps the first 4 KB and cuts off after 64 KB', async () => {
    const bodies = ['x'.repeat(60_000), 'x'.repeat(5_000_000)];
    const target = await receive({ answer: (_, index) => ({ body: bodies[index] as string }) });
    const outbound = client(LOCAL);
    const answers = [await post(outbound, target.url), await post(outbound, target.url)];
    const start = 'x'.repeat(KEPT_RESPONSE_BYTES);
    expect(answers).toMatchObject([
      { status: 200, start, cutBy: null },
      { status: 200, start, cutBy: 'too_large' },
    ]);
  });

  it('refuses endless headers, and what is no HTTP', async () => {
    const headers = { 'x-long': 'x'.repeat(40_000) };
    const target = await receive({ answer: () => ({ headers }) });
    expect(await post(client(LOCAL), target.url)).toMatchObject({ fault: 'too_large' });
    const server = createServer((socket) => socket.resume().end('hello\r\n\r\n'));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    open.push({
      close: async () =>
        await new Promise((resolve) =>
          server.close(() => {
            resolve();
          }),
        ),
    });
    const { port: at } = server.address() as AddressInfo;
    expect(await post(client(LOCAL), `http://127.0.0.1:${at}/`)).toMatchObject({
      fault: 'protocol',
    });
  });

  it('tells a failed connection, look-up and handshake apart', async () => {
    const closed = await startReceiver();
    await closed.close();
    const plain = await receive();
    const outbound = client(LOCAL, names({}));
    expect(await post(outbound, closed.url)).toMatchObject({ fault: 'connect' });
    expect(await post(outbound, 'https://nowhere.test/')).toMatchObject({ fault: 'dns' });
    expect(await post(outbound, plain.url.replace('http', 'https'))).toMatchObject({
      fault: 'tls',
    });
  });

  it('refuses to call inside a transaction', async () => {
    const outbound = client(LOCAL);
    const call = db.database.transaction(async () => await post(outbound, receiver.url));
    await expect(call).rejects.toThrow('inside a transaction');
  });

  it('finds the fault of a URL, but none in a name that does not resolve yet', async () => {
    const outbound = client([], names({ 'inside.test': [['10.0.0.1']], 'ok.test': [['8.8.8.8']] }));
    expect(await outbound.findFault('https://nowhere.test/')).toBeNull();
    expect(await outbound.findFault('https://ok.test/')).toBeNull();
    expect(await outbound.findFault('https://inside.test/')).toMatchObject({
      code: 'forbidden_address',
    });
    expect(await outbound.findFault('https://0x7f.1/')).toMatchObject({
      code: 'forbidden_address',
    });
  });
});
