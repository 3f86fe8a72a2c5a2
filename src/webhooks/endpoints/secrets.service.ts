/*
 * Secrets at rest: sealed under the key in force, whenever there is one. Setting a first key, or a new
 * one in front of the old, is all that an operator does; what is stored follows at the next start.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Sealer, SealError } from '../../platform/sealer.js';
import { headerContext, secretContext } from './sealing.js';
import { SecretsStore, type StoredSecrets } from './secrets.store.js';

export interface SealedAnew {
  readonly sealed: number;
  /** Endpoints whose secrets no key opens: their deliveries fail until their key is back. */
  readonly unreadable: readonly string[];
}

@Injectable()
export class SecretsService {
  constructor(
    private readonly store: SecretsStore,
    private readonly sealer: Sealer,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Seals what is not sealed under the key in force, and forgets secrets whose overlap is over. */
  async sealAnew(): Promise<SealedAnew> {
    await this.store.forgetPrevious(this.clock.now());
    if (!this.sealer.hasKey) {
      return { sealed: 0, unreadable: [] };
    }
    return await this.database.transaction(async () => {
      const unreadable: string[] = [];
      const found = await this.store.lockOthers(this.sealer.prefix);
      for (const stored of found) {
        try {
          await this.store.replace(this.resealed(stored));
        } catch (error) {
          if (!(error instanceof SealError)) {
            throw error;
          }
          unreadable.push(stored.id);
        }
      }
      return { sealed: found.length - unreadable.length, unreadable };
    });
  }

  private resealed({
    id,
    secret,
    previous_secret: previous,
    headers,
  }: StoredSecrets): StoredSecrets {
    const context = secretContext(id);
    const anew = (stored: string, to: string): string =>
      this.sealer.seal(this.sealer.open(stored, to), to);
    return {
      id,
      secret: anew(secret, context),
      previous_secret: previous === null ? null : anew(previous, context),
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [
          name,
          anew(value, headerContext(id, name)),
        ]),
      ),
    };
  }
}
