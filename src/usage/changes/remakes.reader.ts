/* Whose usage was made anew and is another now, for whoever acts on it. Taking joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { type RemadeUsage, RemakesStore } from './remakes.store.js';

export type { RemadeUsage } from './remakes.store.js';

/** How long they are kept after late usage was looked for; asked for no further back than an hour. */
const KEPT_MS = 86_400_000;

@Injectable()
export class RemakesReader {
  constructor(private readonly store: RemakesStore) {}

  /** Whether late usage is to be looked for. */
  async areOpen(): Promise<boolean> {
    return await this.store.areOpen();
  }

  /** What late usage is to be looked for in, some of it at a time. */
  async takeForLateUsage(now: Date): Promise<RemadeUsage[]> {
    const taken = await this.store.takeForLateUsage(now);
    await this.store.deleteTaken(new Date(now.getTime() - KEPT_MS));
    return taken;
  }

  /** The same since a moment, taken or not; no further back than a day. */
  async since(moment: Date): Promise<RemadeUsage[]> {
    return await this.store.since(moment);
  }

  /** The customers whom thresholds are to be judged of; null when there is nothing to take. */
  async takeForThresholds(): Promise<string[] | null> {
    return await this.store.takeForThresholds();
  }
}
