import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoggerService } from '@nestjs/common';
import { destination, pino, type Logger } from 'pino';

export type Fields = Readonly<Record<string, unknown>>;

/** How long what was logged last may take to be written; a reader that is stuck loses it. */
const END_MS = 1_000;

/**
 * Structured logs, one line of JSON for a unit of work, with its name and its ids and durations as
 * fields; never a payload, never a secret. Also what Nest itself writes to.
 */
export class Log implements LoggerService {
  private readonly logger: Logger;
  private readonly output = destination({ dest: 1, sync: false });

  constructor(level: string) {
    const timestamp = pino.stdTimeFunctions.isoTime;
    this.logger = pino({ level, base: null, timestamp }, this.output);
  }

  /**
   * Ends with all that was logged written, as far as somebody reads it; nothing may be logged after.
   * Whoever ends the process must have waited for this: pino writes what is left when it ends, and tries
   * for ever, with the event loop stopped, where the reader is gone or stuck (sonic-boom 4.2).
   */
  async end(): Promise<void> {
    const closed = once(this.output, 'close').catch(() => undefined);
    this.output.end();
    await Promise.race([closed, sleep(END_MS)]);
    this.output.flushSync = () => undefined;
  }

  /** A finished unit of work, such as `usage.ingested`. */
  event(name: string, fields: Fields = {}): void {
    this.logger.info({ event: name, ...fields });
  }

  /** The same for what happens many times a second: shown at level debug. */
  detail(name: string, fields: Fields = {}): void {
    this.logger.debug({ event: name, ...fields });
  }

  /** Something that needs a person, or went wrong and is tried again. */
  problem(name: string, error: unknown, fields: Fields = {}): void {
    this.logger.error({ event: name, err: error, ...fields });
  }

  log(message: unknown, ...context: unknown[]): void {
    this.logger.debug({ event: 'nest', message, context });
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.logger.warn({ event: 'nest', message, context });
  }

  error(message: unknown, ...context: unknown[]): void {
    this.logger.error({ event: 'nest', message, context });
  }
}
