import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Scope } from './scope.js';

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** The first characters of the token. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  /** The only source that it may send to; null for a key that is bound to none. */
  readonly sourceId: string | null;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

const PREFIX = 'mlk_';
const TOKEN_BYTES = 32;
const HINT_LENGTH = 8;

/** A new token: 256 random bits, 68 characters (some gateways' plugins refuse keys under 50). */
export function newToken(): string {
  return PREFIX + randomBytes(TOKEN_BYTES).toString('hex');
}

/** What is stored of a token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Whether two hashes are the same, in constant time. */
export function sameHash(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The part of a token that may be shown. */
export function hintOf(token: string): string {
  return token.slice(0, HINT_LENGTH);
}

/** Whether these scopes allow what `needed` asks for. */
export function allows(scopes: readonly Scope[], needed: Scope): boolean {
  return scopes.includes('admin') || scopes.includes(needed);
}
