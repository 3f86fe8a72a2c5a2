import { createPublicKey, verify } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';

/** What stands before the key in SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Whether a request was signed by the private key of a `whpk_…`, by the rules of Standard Webhooks 1.0.0: one of the
 * signatures is of v1a and of `{id}.{timestamp}.{body}`. The packages `standardwebhooks` and `svix` know v1 only.
 * Asks for no age.
 */
export function isSignedBy(publicKey: string, headers: IncomingHttpHeaders, body: string): boolean {
  const raw = Buffer.from(publicKey.replace(/^whpk_/, ''), 'base64');
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, raw]),
    format: 'der',
    type: 'spki',
  });
  const content = Buffer.from(
    `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`,
  );
  return String(headers['webhook-signature'])
    .split(' ')
    .map((one) => one.split(','))
    .some(
      ([version, signature = '']) =>
        version === 'v1a' && verify(null, content, key, Buffer.from(signature, 'base64')),
    );
}
