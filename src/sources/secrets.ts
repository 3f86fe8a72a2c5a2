/*
 * Gateways log the headers of their callers, and with them passwords, keys and cookies. None of them
 * is ever stored: a mapping may not point at one, and wherever a whole object is kept they are
 * replaced.
 */
import { isLosslessNumber } from 'lossless-json';

export const REDACTED = '[redacted]';

const SECRET_HEADERS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'cookie2',
  'set-cookie',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-csrf-token',
  'x-xsrf-token',
  'x-amz-security-token',
  'x-amz-firehose-access-key',
  'x-goog-api-key',
  'x-functions-key',
  'x-moesif-application-id',
  'ocp-apim-subscription-key',
  // A member of Moesif's events: as a rule what stood in Authorization.
  'session_token',
];
const SECRETS: ReadonlySet<string> = new Set(SECRET_HEADERS);

/** How gateways write a header as one name: nginx `http_cookie`, Traefik `request_Cookie`, OpenTelemetry. */
const PREFIX =
  /^(?:http_|sent_http_|upstream_http_|request_|origin_|downstream_|http\.(?:request|response)\.header\.)(?=.)/;
const MAX_LEVELS = 64;
/** As much of a text as is kept. */
const MAX_TEXT_LENGTH = 65_536;

/** A header, quoted or not, and what stands behind `:` or `=`: a text, a list, or all up to the next comma. */
const IN_TEXT = new RegExp(
  `((?:^|[^\\w-])["']?(?:\\w+_)?(?:${SECRET_HEADERS.join('|').replaceAll('-', '[-_]')})["']?\\s*[:=]\\s*)` +
    `("(?:[^"\\\\]|\\\\.)*"|\\[[^\\]\\n]{0,4096}\\]|[^,}\\n]+)`,
  'gi',
);

/** Whether a member of this name holds a secret, in whatever letters it is written. */
export function isSecretName(name: string): boolean {
  const lower = name.toLowerCase();
  const header = lower.replace(PREFIX, '');
  return SECRETS.has(header) || (header !== lower && SECRETS.has(header.replaceAll('_', '-')));
}

/** The value without what is secret in it, at any depth; what lies too deep is left out. */
export function redact(value: unknown, levels = MAX_LEVELS): unknown {
  if (typeof value !== 'object' || value === null || isLosslessNumber(value)) {
    return value;
  }
  if (levels === 0) {
    return REDACTED;
  }
  if (Array.isArray(value)) {
    return value.map((inner) => redact(inner, levels - 1));
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) ? REDACTED : redact(inner, levels - 1),
    ]),
  );
}

/** The same for text that could not be read, as far as what is secret can be told in it. */
export function redactText(text: string): string {
  return text
    .slice(0, MAX_TEXT_LENGTH)
    .replaceAll(IN_TEXT, (_, name: string) => `${name}"${REDACTED}"`);
}
