import {
  BlockedAddressError,
  outboundFaultOf,
} from '../../src/platform/outbound/outbound-fault.js';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

describe('outboundFaultOf', () => {
  it.each([
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['ECONNREFUSED', 'connect'],
    ['EHOSTUNREACH', 'connect'],
    ['ETIMEDOUT', 'connect'],
    ['ECONNRESET', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['UND_ERR_HEADERS_OVERFLOW', 'too_large'],
    ['EPROTO', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
  ])('calls %s %s', (code, fault) => {
    expect(outboundFaultOf(withCode(code))).toBe(fault);
  });

  it('knows a passed deadline, a blocked address and an answer that is no HTTP', () => {
    expect(outboundFaultOf(new DOMException('late', 'TimeoutError'))).toBe('timeout');
    expect(outboundFaultOf(new BlockedAddressError('10.0.0.1'))).toBe('blocked');
    expect(outboundFaultOf({ name: 'HTTPParserError' })).toBe('protocol');
    expect(outboundFaultOf('anything')).toBe('connect');
  });
});
