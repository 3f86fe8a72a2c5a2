/* Why a call got no answer, in words that stay the same whatever library makes the call. Pure. */

/**
 * `reset`: connected, but closed before an answer; `protocol`: what came is no HTTP; `proxy`: the egress
 * proxy could not be reached, or does not want us, which is no fault of whoever was called.
 */
export type OutboundFault =
  'blocked' | 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'protocol' | 'too_large' | 'proxy';

/** An address that the rules forbid, found before or after connecting. */
export class BlockedAddressError extends Error {
  readonly code = 'BLOCKED_ADDRESS';

  constructor(readonly address: string) {
    super(`The address ${address} may not be reached this way`);
    this.name = 'BlockedAddressError';
  }
}

/** Nothing came of the way to the egress proxy itself. */
export class ProxyError extends Error {
  readonly code = 'PROXY_AWAY';

  constructor(cause: unknown) {
    super(`The egress proxy cannot be reached: ${String(cause)}`, { cause });
    this.name = 'ProxyError';
  }
}

const BY_CODE: ReadonlyMap<string, OutboundFault> = new Map<string, OutboundFault>([
  ['BLOCKED_ADDRESS', 'blocked'],
  ['PROXY_AWAY', 'proxy'],
  ['ENOTFOUND', 'dns'],
  ['ENODATA', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['EAI_FAIL', 'dns'],
  ['EAI_NODATA', 'dns'],
  ['EAI_NONAME', 'dns'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'too_large'],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'too_large'],
  ['UND_ERR_SOCKET', 'reset'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['EPROTO', 'tls'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
]);

/** OpenSSL and node:tls have dozens of codes each, told by how they start. */
const TLS_CODE = /^(?:ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_)/;

/** What undici says when a proxy answers CONNECT with anything but 200; it has no code for it. */
const PROXY_ANSWER = /^Proxy response \((\d+)\) !== 200/;

/** 403: the proxy's own rules forbid the address; 407: our credentials; the rest: it could not connect. */
function byProxyStatus(status: number): OutboundFault {
  if (status === 403) {
    return 'blocked';
  }
  return status === 407 ? 'proxy' : 'connect';
}

/** The address that an error names: of a refused connection, or of one that the rules forbid. */
export function addressIn(error: unknown): string | null {
  const { address, errors } = Object(error) as { address?: unknown; errors?: unknown };
  if (typeof address === 'string') {
    return address;
  }
  // A name with several addresses, none of which could be connected to.
  return Array.isArray(errors) && errors.length > 0 ? addressIn(errors.at(-1)) : null;
}

/** The fault that an error of node or undici stands for; `connect` when it is none that is known. */
export function outboundFaultOf(error: unknown): OutboundFault {
  const { name = '', code = '' } = Object(error) as { name?: unknown; code?: unknown };
  if (name === 'TimeoutError') {
    return 'timeout';
  }
  const refusal = PROXY_ANSWER.exec(String(Object(error).message));
  if (refusal !== null) {
    return byProxyStatus(Number(refusal[1]));
  }
  const text = String(code);
  if (TLS_CODE.test(text)) {
    return 'tls';
  }
  // undici gives its parser's errors no code.
  return BY_CODE.get(text) ?? (name === 'HTTPParserError' ? 'protocol' : 'connect');
}
