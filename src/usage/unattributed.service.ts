/* Settles what no customer owns: by giving its subject to one, which is for customers, or by dismissing it. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { notFound } from '../kernel/errors.js';
import { type UnattributedUsage, UnattributedStore } from './unattributed.store.js';

export interface Dismissal {
  readonly subject: string;
  readonly source: string;
  readonly reason: string;
}

@Injectable()
export class UnattributedService {
  constructor(
    private readonly store: UnattributedStore,
    private readonly clock: Clock,
  ) {}

  /**
   * What has come of a subject from a source is rightly nobody's. It is shown again when more comes.
   *
   * @throws DomainError not_found when nothing of it is nobody's
   */
  async dismiss({ subject, source, reason }: Dismissal, by: string): Promise<UnattributedUsage> {
    if ((await this.store.find(subject, source)) === null) {
      throw notFound('unattributed subject', `${subject} of ${source}`);
    }
    await this.store.dismiss({ subject, source }, { reason, by, at: this.clock.now() });
    const found = await this.store.find(subject, source);
    if (found === null) {
      throw notFound('unattributed subject', `${subject} of ${source}`);
    }
    return found;
  }
}
