/*
 * An outage of the database, as one thing: whoever meets it reports it here, and the log says once
 * that it began and once that it is over, however many workers and requests meet it. Meanwhile the
 * workers rest and only this asks whether the database is back. A database that is full, or only
 * reads, is away as well, though it answers. Knows nothing of how it comes back.
 */
import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Fields, Log } from '../log.js';
import { Database } from './database.js';
import { isDatabaseAway, isUnusable } from './pg-errors.js';

/** One question a second costs a database that starts nothing; workers are back that soon after it. */
const PROBE_MS = 1_000;
const REMIND_MS = 30_000;

@Injectable()
export class Outage implements OnApplicationShutdown {
  private readonly stopping = new AbortController();
  private watching: Promise<void> | null = null;
  /** Whether anybody has met it since it was asked last: then no answer of ours can end it. */
  private isMetAgain = false;
  /** Whoever reports may do so inside a transaction, on whose connection nothing can be asked again. */
  private readonly scope = new AsyncResource('Outage');

  constructor(
    private readonly database: Database,
    private readonly log: Log,
  ) {}

  /** Whether the database is away, as far as is known here. */
  get isOn(): boolean {
    return this.watching !== null;
  }

  /** Logs a fault under its name, unless its cause is that the database is away: that is logged once. */
  report(name: string, error: unknown, fields: Fields = {}): void {
    if (!isDatabaseAway(error) || this.stopping.signal.aborted) {
      this.log.problem(name, error, fields);
      return;
    }
    this.isMetAgain = true;
    this.watching ??= this.scope
      .runInAsyncScope(async () => {
        await this.watch(error, { met_by: name, ...fields });
      })
      .finally(() => {
        this.watching = null;
      });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.watching;
  }

  private async watch(first: unknown, fields: Fields): Promise<void> {
    const since = performance.now();
    let toldAt = since;
    this.log.problem('database.away', first, fields);
    for (;;) {
      this.isMetAgain = false;
      await this.rest();
      if (this.stopping.signal.aborted) {
        return;
      }
      const error = await this.ask();
      const now = performance.now();
      const awaySeconds = Math.round((now - since) / 1_000);
      if (error === null && !this.isMetAgain) {
        this.log.event('database.back', { away_seconds: awaySeconds });
        return;
      }
      if (now - toldAt >= REMIND_MS) {
        toldAt = now;
        this.log.problem('database.still_away', error ?? first, { away_seconds: awaySeconds });
      }
    }
  }

  private async rest(): Promise<void> {
    const { signal } = this.stopping;
    await sleep(PROBE_MS, undefined, { signal }).catch(() => undefined);
  }

  /** Why the database cannot be used; null when it can, also when it refuses the question itself. */
  private async ask(): Promise<unknown> {
    try {
      await this.database.tryWriting();
      return null;
    } catch (error) {
      return isUnusable(error) ? error : null;
    }
  }
}
