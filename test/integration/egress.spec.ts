/*
 * Aim: what leaves through the operator's proxy, and with his certificates, goes where it should, and
 * nobody is blamed for the proxy. Method: a real proxy, and real TLS with one self-signed certificate.
 */
import { createServer as createTlsServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { AddressRules } from '../../src/platform/outbound/address-rules.js';
import { type Resolve, sharedResolve } from '../../src/platform/outbound/guarded-connector.js';
import { OutboundHttp, type OutboundResult } from '../../src/platform/outbound/outbound-http.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type EgressProxy, startEgressProxy } from '../support/egress-proxy.js';
import { TEST_CERTIFICATE, TEST_KEY } from '../support/test-certificate.js';

const CERTIFICATE = { cert: TEST_CERTIFICATE, key: TEST_KEY };
/** Asked of names that only the proxy knows. */
const nowhere: Resolve = (hostname, _, callback) => {
  callback(Object.assign(new Error(`no ${hostname}`), { code: 'ENOTFOUND' }), []);
};

describe('egress', () => {
  let db: TestDatabase;
  let receiver: Server;
  let port: number;
  /** Whether each call showed a certificate that the receiver trusts. */
  const shown: boolean[] = [];
  const open: { close(): Promise<void> }[] = [];

  const proxyTo = async (
    route: Parameters<typeof startEgressProxy>[0] = () => ({ port }),
  ): Promise<EgressProxy> => {
    const proxy = await startEgressProxy(route);
    open.push(proxy);
    return proxy;
  };
  const client = (
    options: Partial<ConstructorParameters<typeof OutboundHttp>[3] & object>,
    cidrs: string[] = [],
  ): OutboundHttp => {
    const outbound = new OutboundHttp(new AddressRules(cidrs), db.database, nowhere, {
      proxyUrl: undefined,
      ca: TEST_CERTIFICATE,
      certificate: undefined,
      ...options,
    });
    open.push({ close: async () => await outbound.onApplicationShutdown() });
    return outbound;
  };
  const post = async (outbound: OutboundHttp, url: string): Promise<OutboundResult> =>
    await outbound.post({ url, headers: {}, body: '{}', timeoutMs: 30_000 });

  beforeAll(async () => {
    db = await createTestDatabase();
    receiver = createTlsServer(
      { ...CERTIFICATE, ca: TEST_CERTIFICATE, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        shown.push((request.socket as TLSSocket).authorized);
        response.end('thanks');
      },
    );
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve);
    });
    ({ port } = receiver.address() as AddressInfo);
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map(async (one) => await one.close()));
    shown.length = 0;
  });

  afterAll(async () => {
    const closed = new Promise((resolve) => receiver.close(resolve));
    receiver.closeAllConnections();
    await closed;
    await db.drop();
  });

  it('leads every call through the proxy, which looks names up and sees no more than host and port', async () => {
    const proxy = await proxyTo();
    const proxyUrl = new URL(proxy.url);
    proxyUrl.username = 'meterline';
    proxyUrl.password = 'geheim';
    const answer = await post(client({ proxyUrl }), 'https://receiver.test/hook?a=1');
    expect(answer).toMatchObject({ kind: 'answered', status: 200, start: 'thanks' });
    const authorization = `Basic ${Buffer.from('meterline:geheim').toString('base64')}`;
    expect(proxy.asked).toEqual([{ target: 'receiver.test:443', authorization }]);
  });

  it('refuses literal addresses inside itself, and plain http to names, proxy or not', async () => {
    const proxy = await proxyTo();
    const outbound = client({ proxyUrl: new URL(proxy.url) }, ['10.0.0.0/8']);
    for (const url of [
      'https://127.0.0.1/',
      'https://[::ffff:7f00:1]/',
      'https://2130706433/',
      'http://receiver.test/',
    ]) {
      expect(await post(outbound, url)).toMatchObject({ kind: 'failed', fault: 'blocked' });
      expect(await outbound.findFault(url)).toMatchObject({ code: 'forbidden_address' });
    }
    expect(proxy.asked).toEqual([]);
  });

  it.each([
    [403, 'blocked'],
    [407, 'proxy'],
    [502, 'connect'],
    [503, 'connect'],
  ])('takes a %i of the proxy as %s', async (status, fault) => {
    const proxy = await proxyTo(() => ({ status }));
    const answer = await post(client({ proxyUrl: new URL(proxy.url) }), 'https://receiver.test/');
    expect(answer).toMatchObject({ kind: 'failed', fault });
  });

  it('blames nobody else when the proxy is away', async () => {
    const proxy = await proxyTo();
    await proxy.close();
    open.pop();
    const answer = await post(client({ proxyUrl: new URL(proxy.url) }), 'https://receiver.test/');
    expect(answer).toMatchObject({ kind: 'failed', fault: 'proxy' });
  });

  it('shows its certificate to who asks, and trusts the authorities it was given only', async () => {
    const url = `https://127.0.0.1:${port}/`;
    const local = ['127.0.0.0/8'];
    expect(await post(client({}, local), url)).toMatchObject({ status: 200, address: '127.0.0.1' });
    const withOne = client({ certificate: CERTIFICATE }, local);
    expect(await post(withOne, url)).toMatchObject({ status: 200 });
    expect(shown).toEqual([false, true]);
    expect(await post(client({ ca: undefined }, local), url)).toMatchObject({ fault: 'tls' });
  });
});

describe('sharedResolve', () => {
  it('asks once for a name that is being looked up, and tells everybody', () => {
    const asked: [string, Parameters<Resolve>[2]][] = [];
    const shared = sharedResolve((hostname, _, callback) => asked.push([hostname, callback]));
    const told: string[] = [];
    const ask = (name: string): void => {
      shared(name, { all: true }, (__, addresses) => told.push(`${name} ${addresses[0]?.address}`));
    };
    ['a.test', 'a.test', 'b.test'].forEach(ask);
    expect(asked.map(([name]) => name)).toEqual(['a.test', 'b.test']);
    asked[0]![1](null, [{ address: '192.0.2.1', family: 4 }]);
    expect(told).toEqual(['a.test 192.0.2.1', 'a.test 192.0.2.1']);
    ask('a.test');
    expect(asked).toHaveLength(3);
  });
});
