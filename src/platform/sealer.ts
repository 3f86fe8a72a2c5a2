/*
 * Secrets at rest: AES-256-GCM under keys that are settings and in no table, so that whoever reads the
 * database, or a backup of it, cannot sign in our name. Without a key they are kept in the clear.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from './config.js';

const CIPHER = 'aes-256-gcm';
/** NIST SP 800-38D, 8.2.2: random, of 96 bits; far fewer secrets than 2^32 are ever sealed. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEALED = /^sealed:v1:(?<keyId>[0-9a-f]{8}):(?<sealed>[A-Za-z0-9+/=]+)$/;

/** A secret that none of the keys opens; its text holds neither. */
export class SealError extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'SealError';
  }
}

interface Key {
  /** Tells which key sealed a text; 32 bits of a hash, of which no key can be found. */
  readonly id: string;
  readonly bytes: Buffer;
}

@Injectable()
export class Sealer {
  private readonly keys: readonly Key[];

  constructor(@Inject(CONFIG) { secretKeys }: Pick<Config, 'secretKeys'>) {
    this.keys = secretKeys.map((bytes) => ({ id: idOf(bytes), bytes }));
  }

  /** Whether secrets are encrypted at all. */
  get hasKey(): boolean {
    return this.keys.length > 0;
  }

  /** What sealed texts begin with now; empty without a key. Whatever begins otherwise is to be sealed anew. */
  get prefix(): string {
    return this.keys[0] === undefined ? '' : `sealed:v1:${this.keys[0].id}:`;
  }

  /**
   * The text to store.
   *
   * @param context what the secret belongs to, such as a row's id: sealed there, it opens nowhere else
   */
  seal(secret: string, context: string): string {
    const [key] = this.keys;
    if (key === undefined) {
      return secret;
    }
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key.bytes, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return this.prefix + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /**
   * The secret behind a stored text; a text that was stored before there was a key is the secret.
   *
   * @throws SealError when its key is not there, or it was changed or moved
   */
  open(stored: string, context: string): string {
    const { keyId, sealed } = SEALED.exec(stored)?.groups ?? {};
    if (keyId === undefined || sealed === undefined) {
      return stored;
    }
    const key = this.keys.find(({ id }) => id === keyId);
    if (key === undefined) {
      throw new SealError(`The key ${keyId} is not among METERLINE_SECRET_KEYS`);
    }
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv(CIPHER, key.bytes, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const opened = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([opened, decipher.final()]).toString('utf8');
    } catch (error) {
      throw new SealError('A sealed secret was changed, or belongs to something else', {
        cause: error,
      });
    }
  }
}

function idOf(key: Buffer): string {
  return createHash('sha256').update('meterline key id').update(key).digest('hex').slice(0, 8);
}
