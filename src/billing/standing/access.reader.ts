/* Whether customers may go on. Reads only. */
import { Injectable } from '@nestjs/common';
import { notFound } from '../../kernel/errors.js';
import { type Access, AccessStore } from './access.store.js';

@Injectable()
export class AccessReader {
  constructor(private readonly store: AccessStore) {}

  /** By id or key; throws not_found. */
  async get(idOrKey: string, now: Date): Promise<Access> {
    const access = await this.store.find(idOrKey, now);
    if (access === null) {
      throw notFound('customer', idOrKey);
    }
    return access;
  }
}
