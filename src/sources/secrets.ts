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

/** A header, quoted or not, up to what stands behind its `:` or `=`. */
const NAME_IN_TEXT = new RegExp(
  `(?:^|[^\\w-])["']?(?:\\w+_)?(?:${SECRET_HEADERS.join('|').replaceAll('-', '[-_]')})["']?\\s*[:=]\\s*`,
  'gi',
);
const QUOTED = /"(?:[^"\\]|\\.)*"/y;
const UP_TO_COMMA = /[^,}\n]*/y;

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

/**
 * The same for text that could not be read, as far as what is secret can be told in it. Takes time in
 * proportion to the text, whatever stands in it: it is read once, from secret to secret.
 */
export function redactText(text: string): string {
  const kept = text.slice(0, MAX_TEXT_LENGTH);
  const lists = new ListEnds(kept);
  let redacted = '';
  let position = 0;
  NAME_IN_TEXT.lastIndex = 0;
  while (NAME_IN_TEXT.test(kept)) {
    const start = NAME_IN_TEXT.lastIndex;
    const end = endOfValue(kept, start, lists);
    if (end > start) {
      redacted += `${kept.slice(position, start)}"${REDACTED}"`;
      position = end;
      NAME_IN_TEXT.lastIndex = end;
    }
  }
  return redacted + kept.slice(position);
}

/** Behind the text or the list that begins here, or at the next comma. */
function endOfValue(text: string, start: number, lists: ListEnds): number {
  const end = text[start] === '[' ? lists.find(start) : null;
  return end ?? endOf(QUOTED, text, start) ?? endOf(UP_TO_COMMA, text, start) ?? start;
}

function endOf(form: RegExp, text: string, start: number): number | null {
  form.lastIndex = start;
  return form.test(text) ? form.lastIndex : null;
}

/** Where the lists of a text end, asked for from its start to its end, so that no part is searched twice. */
class ListEnds {
  private bracket = -1;
  private line = -1;

  constructor(private readonly text: string) {}

  /** Behind the end of the list that begins here; null when it has none on its line. */
  find(start: number): number | null {
    this.bracket = this.next(']', this.bracket, start);
    this.line = this.next('\n', this.line, start);
    return this.bracket < this.line ? this.bracket + 1 : null;
  }

  private next(sign: string, known: number, start: number): number {
    const found = known < start ? this.text.indexOf(sign, start) : known;
    return found === -1 ? Infinity : found;
  }
}
