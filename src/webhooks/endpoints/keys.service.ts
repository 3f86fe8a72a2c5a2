/* With what receivers verify, of endpoints that are signed to with v1a. Private keys are never part of an answer. */
import { Injectable } from '@nestjs/common';
import { conflict, notFound } from '../../kernel/errors.js';
import { Clock } from '../../kernel/clock.js';
import { Sealer, SealError } from '../../platform/sealer.js';
import { publicKeyOf, type SignatureScheme } from '../deliveries/signature.js';
import { secretContext } from './sealing.js';
import { SecretsStore } from './secrets.store.js';

export interface PublicKey {
  /** `whpk_` and the key in base64. */
  readonly text: string;
  /** Until when attempts are signed with it; null: it is the one in force. */
  readonly until: Date | null;
}

@Injectable()
export class KeysService {
  constructor(
    private readonly store: SecretsStore,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  /**
   * The public keys of an endpoint, the one in force first, and the one before it while both are signed with;
   * none of a secret of v1.
   *
   * @throws DomainError not_found; conflict `secret_unreadable` when no key opens what is stored
   */
  async publicKeys(endpointId: string): Promise<readonly PublicKey[]> {
    const stored = await this.store.find(endpointId);
    if (stored === null) {
      throw notFound('webhook endpoint', endpointId);
    }
    const { secret, previous_secret: previous, previous_secret_until: until } = stored;
    const isSigning = previous !== null && until !== null && until > this.clock.now();
    const keys = [
      { text: this.publicKey(secret, endpointId), until: null },
      ...(isSigning ? [{ text: this.publicKey(previous, endpointId), until }] : []),
    ];
    return keys.flatMap(({ text, until: end }) => (text === null ? [] : [{ text, until: end }]));
  }

  /** How attempts are signed now; throws as `publicKeys`. */
  async schemeOf(endpointId: string): Promise<SignatureScheme> {
    const keys = await this.publicKeys(endpointId);
    return keys.some(({ until }) => until === null) ? 'v1a' : 'v1';
  }

  private publicKey(sealed: string, endpointId: string): string | null {
    try {
      return publicKeyOf(this.sealer.open(sealed, secretContext(endpointId)));
    } catch (error) {
      throw error instanceof SealError
        ? conflict('secret_unreadable', `${error.message} Name the signature of the new secret.`)
        : error;
    }
  }
}
