/*
 * The clock that all replicas share: the database's. Leases, times at which something is due and ends of periods
 * are compared by whichever replica looks, so one whose machine is minutes off would take what others hold, or
 * hold on to what it has lost. Survives a machine's clock that is set while it runs: until it asks again.
 */
import { type BeforeApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../../kernel/clock.js';
import { type Log } from '../log.js';
import { type Database } from './database.js';
import { type Outage } from './outage.js';

/** Machines' clocks drift by milliseconds a minute; sooner only matters to one that somebody sets. */
const ASK_MS = 5_000;
/** Both clocks are read in whole milliseconds. */
const PRECISION_MS = 1;
/** Somebody should look after a machine whose clock is further off than this. */
const WORTH_TELLING_MS = 1_000;

/** What the database's clock showed, at some moment between two readings of the machine's. */
export interface ClockReading {
  readonly before: Date;
  readonly database: Date;
  readonly after: Date;
}

/**
 * How far the database's clock is ahead of the machine's, in milliseconds: as it was taken to be, or as near to it
 * as the reading allows. So a slow answer moves nothing that it does not disprove, and on the database's own
 * machine it stays 0. A reading during which the machine's clock was set back tells nothing.
 */
export function aheadBy(wasMs: number, { before, database, after }: ClockReading): number {
  const least = database.getTime() - after.getTime() - PRECISION_MS;
  const most = database.getTime() - before.getTime() + PRECISION_MS;
  return least > most ? wasMs : Math.min(Math.max(wasMs, least), most);
}

export class DatabaseClock extends Clock implements BeforeApplicationShutdown {
  private aheadMs = 0;
  private toldMs = 0;
  private asking: Promise<void> | null = null;
  private isStopped = false;

  constructor(
    private readonly machine: Clock,
    private readonly database: Database,
    private readonly log: Log,
    private readonly outage: Outage,
  ) {
    super();
  }

  override now(): Date {
    return new Date(this.machine.now().getTime() + this.aheadMs);
  }

  /** Asks the database for its time; throws when it does not answer. */
  async agree(): Promise<void> {
    const before = this.machine.now();
    const [row] = await this.database.query<{ at: Date }>('SELECT clock_timestamp() AS at');
    const after = this.machine.now();
    const database = row?.at ?? after;
    this.aheadMs = aheadBy(this.aheadMs, { before, database, after });
    if (Math.abs(this.aheadMs - this.toldMs) >= WORTH_TELLING_MS) {
      this.toldMs = this.aheadMs;
      this.log.event('clock.moved', { database_ahead_ms: this.aheadMs });
    }
  }

  @Interval(ASK_MS)
  tick(): void {
    if (this.isStopped || this.asking !== null || this.outage.isOn) {
      return;
    }
    this.asking = this.agree()
      .catch((error: unknown) => {
        this.outage.report('clock.not_read', error);
      })
      .finally(() => {
        this.asking = null;
      });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    await this.asking;
  }
}
