/* Why a call got no answer, in words that stay the same whatever library makes the call. Pure. */

/** `reset`: connected, but closed before an answer; `protocol`: what came is no HTTP. */
export type OutboundFault =
  'blocked' | 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'protocol' | 'too_large';

/** An address that the rules forbid, found before or after connecting. */
export class BlockedAddressError extends Error {
  readonly code = 'BLOCKED_ADDRESS';

  constructor(address: string) {
    super(`The address ${address} may not be reached this way`);
    this.name = 'BlockedAddressError';
  }
}

const BY_CODE: ReadonlyMap<string, OutboundFault> = new Map<string, OutboundFault>([
  ['BLOCKED_ADDRESS', 'blocked'],
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

/** The fault that an error of node or undici stands for; `connect` when it is none that is known. */
export function outboundFaultOf(error: unknown): OutboundFault {
  const { name = '', code = '' } = Object(error) as { name?: unknown; code?: unknown };
  if (name === 'TimeoutError') {
    return 'timeout';
  }
  const text = String(code);
  if (TLS_CODE.test(text)) {
    return 'tls';
  }
  // undici gives its parser's errors no code.
  return BY_CODE.get(text) ?? (name === 'HTTPParserError' ? 'protocol' : 'connect');
}
