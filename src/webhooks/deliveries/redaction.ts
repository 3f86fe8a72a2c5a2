/* What of a receiver's answer is kept: without what lets in whoever reads it. Pure. */

const REDACTED = '[redacted]';
/** Answers that set or ask for credentials. */
const SECRET_HEADERS =
  /^(?:set-cookie2?|authorization|proxy-authorization|authentication-info|.*(?:token|secret|api-?key|password|session).*)$/;
/** As many headers, of as many characters each, are kept. */
const MAX_HEADERS = 50;
const MAX_HEADER_LENGTH = 512;
/** Shorter ones would be found everywhere, and say nothing. */
const MIN_SECRET_LENGTH = 6;

/** The text with every one of our secrets replaced, should the receiver repeat what we sent. */
export function redactText(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    .reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text);
}

/** The headers of an answer, cut and redacted. */
export function redactHeaders(
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[],
): Record<string, string> {
  const kept = Object.entries(headers).slice(0, MAX_HEADERS);
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name,
      SECRET_HEADERS.test(name) ? REDACTED : redactText(value, secrets).slice(0, MAX_HEADER_LENGTH),
    ]),
  );
}
