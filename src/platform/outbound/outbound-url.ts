/* What an outgoing URL has to look like. Pure: names are resolved and checked again when connecting. */
import { isIP } from 'node:net';
import { type AddressRules } from './address-rules.js';

export interface UrlFault {
  readonly code:
    'invalid_url' | 'forbidden_scheme' | 'has_userinfo' | 'forbidden_port' | 'forbidden_address';
  /** One sentence for people. */
  readonly detail: string;
}

export type UrlVerdict =
  { readonly url: URL; readonly fault: null } | { readonly url: null; readonly fault: UrlFault };

export const FORBIDDEN_ADDRESS: UrlFault = {
  code: 'forbidden_address',
  detail: 'leads to an address that is not public, or without https to one that is',
};

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** The host of a URL as an address or name: without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/**
 * The URL, or what forbids it: no http(s), userinfo, a port or an address that may not be reached. The
 * parser (WHATWG URL) has turned every notation of an address (`2130706433`, `0x7f.1`, `0177.0.0.1`)
 * into the usual one before it is looked at.
 */
export function readOutboundUrl(text: string, rules: AddressRules): UrlVerdict {
  if (!URL.canParse(text)) {
    return refuse('invalid_url', 'must be an absolute URL such as "https://hooks.acme.example/in"');
  }
  const url = new URL(text);
  const isPlain = url.protocol === 'http:';
  if (url.protocol !== 'https:' && !(isPlain && rules.allowsHttp)) {
    return refuse('forbidden_scheme', 'must start with https://');
  }
  if (url.username !== '' || url.password !== '') {
    return refuse('has_userinfo', 'must not hold a user or password');
  }
  const port = Number(url.port || (isPlain ? HTTP_PORT : HTTPS_PORT));
  if (!rules.permitsPort(port)) {
    return refuse('forbidden_port', `must not use the port ${port}`);
  }
  const host = hostOf(url);
  if (isIP(host) !== 0 && !rules.permits(host, url.protocol)) {
    return { url: null, fault: FORBIDDEN_ADDRESS };
  }
  return { url, fault: null };
}

function refuse(code: UrlFault['code'], detail: string): UrlVerdict {
  return { url: null, fault: { code, detail } };
}
