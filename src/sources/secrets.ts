/*
 * Gateways log the headers of their callers, and with them passwords, keys and cookies. None of them
 * is ever stored: a mapping may not point at one, and wherever a whole object is kept they are
 * replaced.
 */
import { isLosslessNumber } from 'lossless-json';
import { isSecretParameter, REDACTED, redactParameters } from './secret-texts.js';

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
/** How a header is written as one name where nothing else is. */
const FLAT_HEADER =
  /^(?:(?:sent_|upstream_)?http_|(?:request|origin|downstream)_(?=[A-Z])|http\.(?:request|response)\.header\.)/;
/** What members are called that hold headers, or the parameters of a query. */
const HOLDER = /(?:headers?|query|query[_-]?string|args|param(?:eter)?s)$/i;
/** How lists of headers call the parts of each. */
const NAME_PARTS = ['name', 'key'];
const MAX_LEVELS = 64;
/** As much of a text as is kept. */
const MAX_TEXT_LENGTH = 65_536;

/** What stands between a name and its value: `:` or `=`, or what does so in lists of names with values. */
const BETWEEN = [
  String.raw`["']?\s*[:=]\s*`,
  String.raw`"\s*,\s*"value"\s*:\s*(?:\{\s*"\w{1,20}"\s*:\s*)?`,
  String.raw`"\s*,\s*(?=")`,
].join('|');
/** A header, quoted or not, up to its value. */
const NAME_IN_TEXT = new RegExp(
  `(?:^|[^\\w-]|\\\\[nr])["']?(?:\\w+_)?(?:${SECRET_HEADERS.join('|').replaceAll('-', '[-_]')})(?:${BETWEEN})`,
  'gi',
);
/** A line of a head as it came, such as `Cookie: a=b`. */
const HEADER_LINE = /(^|[\r\n])([\w-]{1,64}):([^\r\n]+)/g;
const QUOTED = /"(?:[^"\\]|\\.)*"/y;
const UP_TO_COMMA = /[^,}\n]*/y;

/** Whether a member of this name holds a secret, in whatever letters it is written. */
export function isSecretName(name: string): boolean {
  const lower = name.toLowerCase();
  const header = lower.replace(PREFIX, '');
  return SECRETS.has(header) || (header !== lower && SECRETS.has(header.replaceAll('_', '-')));
}

/**
 * The value without what is secret in it, at any depth; what lies too deep is left out.
 *
 * @param isHolder whether its members are headers or parameters, whose names tell more
 */
export function redact(value: unknown, levels = MAX_LEVELS, isHolder = false): unknown {
  if (typeof value === 'string') {
    return redactString(value);
  }
  if (typeof value !== 'object' || value === null || isLosslessNumber(value)) {
    return value;
  }
  if (levels === 0) {
    return REDACTED;
  }
  if (Array.isArray(value)) {
    return isSecretPair(value)
      ? [value[0], REDACTED]
      : value.map((inner) => redact(inner, levels - 1));
  }
  const isNamed = NAME_PARTS.some((part) =>
    isSecretHeader((value as Record<string, unknown>)[part]),
  );
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretMember(name, inner, isHolder) || (isNamed && name === 'value')
        ? REDACTED
        : redact(inner, levels - 1, HOLDER.test(name)),
    ]),
  );
}

/** The name of a header and its value, as lists of headers have them. */
function isSecretPair(value: readonly unknown[]): boolean {
  return value.length === 2 && typeof value[1] === 'string' && isSecretHeader(value[0]);
}

function isSecretHeader(name: unknown): boolean {
  return typeof name === 'string' && isSecretName(name);
}

/** A number is none, whatever it is called: there are tokens that are counted. */
function isSecretMember(name: string, value: unknown, isHolder: boolean): boolean {
  if (isSecretName(name)) {
    return true;
  }
  const mayTell = isHolder || FLAT_HEADER.test(name);
  const isText = typeof value === 'string' || Array.isArray(value);
  return mayTell && isText && isSecretParameter(name.replace(FLAT_HEADER, ''));
}

function redactString(text: string): string {
  const lines = text.includes(':')
    ? text.replaceAll(HEADER_LINE, (whole, before: string, name: string) =>
        isSecretName(name) ? `${before}${name}: ${REDACTED}` : whole,
      )
    : text;
  return redactParameters(lines);
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
  return redactParameters(redacted + kept.slice(position));
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
