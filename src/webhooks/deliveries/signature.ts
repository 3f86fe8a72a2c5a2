/*
 * Signatures of Standard Webhooks 1.0.0: v1, by a secret that both sides know, and v1a, by a private key whose public
 * one receivers verify with, so that none of them can sign. Which it is stands in how a secret begins. Pure but
 * for new secrets.
 */
import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign as signAsymmetric,
} from 'node:crypto';

export const SIGNATURE_SCHEMES = ['v1', 'v1a'] as const;

/** `v1`: HMAC-SHA256; `v1a`: Ed25519. */
export type SignatureScheme = (typeof SIGNATURE_SCHEMES)[number];

const SECRET_PREFIX = 'whsec_';
const PRIVATE_PREFIX = 'whsk_';
const PUBLIC_PREFIX = 'whpk_';
/** The specification allows 24 to 64. */
const SECRET_BYTES = 32;
/** Of an Ed25519 key, each half of the pair (RFC 8032). */
const KEY_BYTES = 32;
/** What stands before the private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface SignedContent {
  /** The id of the message; holds no dot. */
  readonly id: string;
  /** Of the attempt, not of the message, so that receivers can refuse what is replayed to them. */
  readonly timestampSeconds: number;
  /** The bytes as they are sent. */
  readonly body: string;
}

/**
 * A new secret of one endpoint: `whsec_` and 32 random bytes in base64; or, of v1a, `whsk_` and an Ed25519 key
 * pair in base64, the private key first, as Svix writes it.
 */
export function newSecret(scheme: SignatureScheme = 'v1'): string {
  if (scheme === 'v1') {
    return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
  }
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pair = Buffer.concat([
    privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_BYTES),
    publicKey.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES),
  ]);
  return PRIVATE_PREFIX + pair.toString('base64');
}

/** What receivers verify v1a with, `whpk_` and 32 bytes in base64; null: it is a secret of v1. */
export function publicKeyOf(secret: string): string | null {
  return secret.startsWith(PRIVATE_PREFIX)
    ? PUBLIC_PREFIX + pairOf(secret).subarray(KEY_BYTES).toString('base64')
    : null;
}

/**
 * The value of `webhook-signature`: for each secret its version, a comma, and the signature of
 * `{id}.{timestamp}.{body}` in base64, with a space between (Standard Webhooks 1.0.0, "Signature scheme" and
 * "Secret rotation").
 *
 * @param secrets as `newSecret` made them, the one in force first; receivers need to know one of them
 */
export function sign(
  secrets: readonly string[],
  { id, timestampSeconds, body }: SignedContent,
): string {
  const content = `${id}.${timestampSeconds}.${body}`;
  const signatures = secrets.map((secret) => {
    if (secret.startsWith(PRIVATE_PREFIX)) {
      const signature = signAsymmetric(null, Buffer.from(content), privateKeyOf(secret));
      return `v1a,${signature.toString('base64')}`;
    }
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  });
  return signatures.join(' ');
}

function pairOf(secret: string): Buffer {
  return Buffer.from(secret.slice(PRIVATE_PREFIX.length), 'base64');
}

function privateKeyOf(secret: string): KeyObject {
  const key = Buffer.concat([PKCS8_HEAD, pairOf(secret).subarray(0, KEY_BYTES)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}
