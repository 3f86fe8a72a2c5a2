/* Signatures of Standard Webhooks 1.0.0, version v1. Pure but for the random secret. */
import { createHmac, randomBytes } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
/** The specification allows 24 to 64. */
const SECRET_BYTES = 32;

export interface SignedContent {
  /** The id of the message; holds no dot. */
  readonly id: string;
  /** Of the attempt, not of the message, so that receivers can refuse what is replayed to them. */
  readonly timestampSeconds: number;
  /** The bytes as they are sent. */
  readonly body: string;
}

/** A new secret of one endpoint: `whsec_` and 32 random bytes in base64. */
export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/**
 * The value of `webhook-signature`: for each secret `v1,` and the HMAC-SHA256 of `{id}.{timestamp}.{body}`
 * in base64, with a space between (Standard Webhooks 1.0.0, "Signature scheme" and "Secret rotation").
 *
 * @param secrets as `newSecret` made them, the one in force first; receivers need to know one of them
 */
export function sign(
  secrets: readonly string[],
  { id, timestampSeconds, body }: SignedContent,
): string {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    const hmac = createHmac('sha256', key).update(`${id}.${timestampSeconds}.${body}`);
    return `v1,${hmac.digest('base64')}`;
  });
  return signatures.join(' ');
}
