/*
 * The way out: straight, behind the guard, or through the operator's proxy. A proxy looks names up
 * itself, so the guard can only see to literal addresses then; the proxy must refuse the rest.
 */
import { rootCertificates } from 'node:tls';
import { Agent, type buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { type AddressRules } from './address-rules.js';
import { guardedConnector, type Resolve, type Tls, vettedConnector } from './guarded-connector.js';
import { ProxyError } from './outbound-fault.js';

/** Idle sockets are closed sooner than most receivers do it, so that few calls meet a closed one. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE = { keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS };

export interface EgressOptions {
  /** Undefined: straight. */
  readonly proxyUrl: URL | undefined;
  /** PEM of authorities that are trusted besides those of Node; undefined: none. */
  readonly ca: string | undefined;
  /** PEM of what this service shows to receivers that ask for a certificate; undefined: nothing. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

/** What all calls to URLs of callers go through. */
export function createEgress(
  rules: AddressRules,
  resolve: Resolve,
  options: EgressOptions,
): Dispatcher {
  const tls = tlsOf(options);
  return options.proxyUrl === undefined
    ? straight(rules, resolve, tls)
    : throughProxy(options.proxyUrl, tls);
}

function tlsOf({ ca, certificate }: EgressOptions): Tls {
  return { ...(ca !== undefined && { ca: [...rootCertificates, ca] }), ...certificate };
}

function straight(rules: AddressRules, resolve: Resolve, tls: Tls): Agent {
  const http = guardedConnector(rules, vettedConnector(rules, 'http:', resolve, {}));
  const https = guardedConnector(rules, vettedConnector(rules, 'https:', resolve, tls));
  return new Agent({
    ...KEEP_ALIVE,
    connect: (options, callback) => {
      (options.protocol === 'https:' ? https : http)(options, callback);
    },
  });
}

/** CONNECT for every call, also without TLS: so the proxy is told host and port and nothing else. */
function throughProxy(url: URL, tls: Tls): ProxyAgent {
  return new ProxyAgent({
    ...KEEP_ALIVE,
    uri: url.href,
    proxyTunnel: true,
    requestTls: tls,
    ...(tls.ca !== undefined && { proxyTls: { ca: tls.ca } }),
    clientFactory: (origin, poolOptions) => {
      const { connect } = poolOptions as { connect: buildConnector.connector };
      return new Pool(origin, { ...poolOptions, connect: telling(connect) });
    },
  });
}

/** Whoever cannot reach the proxy is told so, lest the receiver be blamed. */
function telling(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error === null) {
        callback(null, socket);
      } else {
        callback(new ProxyError(error), null);
      }
    });
  };
}
