import { type Body } from './batch.js';
import { type LineRefusal } from './log-line.js';

/** What became of one record of a request. */
export interface SentRecord {
  readonly id: string | null;
  readonly status: 'accepted' | 'duplicate' | 'conflict' | 'rejected' | 'ignored';
  readonly code?: string;
  readonly detail?: string;
}

export type SendResult =
  | { readonly kind: 'answered'; readonly records: readonly SentRecord[] }
  /** Nothing of it could be read. */
  | { readonly kind: 'unreadable'; readonly refusal: LineRefusal }
  | { readonly kind: 'too_large'; readonly refusal: LineRefusal };

/** Where the records of a log go. */
export interface Sink {
  /**
   * Sends one request, as often as it takes.
   *
   * @throws ImportFault when sending it again would not help
   */
  send(body: Body): Promise<SendResult>;
}
