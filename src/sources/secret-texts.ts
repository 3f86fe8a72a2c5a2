/*
 * Secrets within texts: gateways log addresses with the keys of callers in their query, and headers as
 * lines. All of it reads a text from its start to its end once. Pure.
 */

export const REDACTED = '[redacted]';

/** What the last word of a name says when its value is a secret. */
const SECRET_WORDS: ReadonlySet<string> = new Set(
  `key apikey token accesstoken secret password passwd pwd signature sig auth authorization
   credential credentials jwt cookie sid sessionid`.split(/\s+/),
);
/** Ends so, but is chosen anew for each request, and helps to repair it. */
const NO_SECRETS: ReadonlySet<string> = new Set(['idempotency-key', 'sec-websocket-key']);
const WORD_START = /([a-z0-9])([A-Z])/g;
const NO_WORD = /[^a-z0-9]+/;

/** A parameter of a query or of a form, also at the start of a text that is nothing else. */
const PARAMETER = /(^|[?&;])([\w.~-]{1,64})=([^&;#\s"']+)/g;
const SCHEME = /\b(bearer|basic)( +)([\w.~+/-]{6,}={0,2})/gi;
/** User and password of an address. */
const USER_INFO = /:\/\/[^/?#\s@"']{1,256}@/g;
const LONG_TOKEN = 20;

/** Whether a header or a parameter of this name holds a secret, such as `access_token` or `X-Vault-Token`. */
export function isSecretParameter(name: string): boolean {
  const words = name.replaceAll(WORD_START, '$1_$2').toLowerCase();
  return SECRET_WORDS.has(words.split(NO_WORD).at(-1) ?? '') && !NO_SECRETS.has(words);
}

/** The text without the values of secret parameters in it, without user and password of addresses, and without what stands behind `Bearer` and `Basic`. */
export function redactParameters(text: string): string {
  let cleared = text;
  if (text.includes('=')) {
    cleared = cleared.replaceAll(PARAMETER, (whole, before: string, name: string) =>
      isSecretParameter(name) ? `${before}${name}=${REDACTED}` : whole,
    );
  }
  if (text.includes('@')) {
    cleared = cleared.replaceAll(USER_INFO, `://${REDACTED}@`);
  }
  // Asked first, since most texts are short words and this is done for each that is kept.
  return text.includes(' ')
    ? cleared.replaceAll(SCHEME, (whole, scheme: string, space: string, token: string) =>
        isCredential(scheme, token) ? `${scheme}${space}${REDACTED}` : whole,
      )
    : cleared;
}

/** Words such as in "Basic Authentication" are none. */
function isCredential(scheme: string, token: string): boolean {
  if (scheme.toLowerCase() === 'bearer') {
    return token.length >= LONG_TOKEN || /\d/.test(token);
  }
  // RFC 7617: `user:password` in base64.
  const decoded = Buffer.from(token, 'base64');
  const isBase64 = decoded.toString('base64').replace(/=+$/, '') === token.replace(/=+$/, '');
  return isBase64 && decoded.includes(':');
}
