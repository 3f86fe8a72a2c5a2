import { type LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * Structured logs, one line of JSON for a unit of work, with its name and its ids and durations as
 * fields; never a payload, never a secret. Also what Nest itself writes to.
 */
export class Log implements LoggerService {
  private readonly logger: Logger;

  constructor(level: string) {
    this.logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
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
