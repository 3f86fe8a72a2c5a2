/**
 * Where "now" comes from. Services get one injected; pure functions and statements take `now` as a
 * value, so that no rule depends on when a test runs.
 */
export abstract class Clock {
  /** The present instant, UTC, in milliseconds' precision. */
  abstract now(): Date;
}
