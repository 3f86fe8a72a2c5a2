/* What the load generator is told, and what it answers. */
import { type FormatName } from '../events/formats.js';
import { type EventStream } from '../events/usage-events.js';

export interface Job {
  readonly url: string;
  readonly key: string;
  readonly format: FormatName;
  readonly stream: EventStream;
  /** Events to a request, one after another and round again. */
  readonly perRequest: readonly number[];
  /** Requests that may be under way at once. */
  readonly connections: number;
  /** A request starts so often, whatever became of those before; null: when one before is answered. */
  readonly requestsPerSecond: number | null;
}

export interface LoadResult {
  readonly events: number;
  readonly requests: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly requestsPerSecond: number;
  /** From when a request was to start, which for an open loop is not when it could. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Time on a processor that the load generator took, of the time it ran. */
  readonly senderShare: number;
}

export type ToSender = { readonly prepare: Job } | { readonly go: true };
export type FromSender =
  { readonly prepared: true } | { readonly done: LoadResult } | { readonly failed: string };
