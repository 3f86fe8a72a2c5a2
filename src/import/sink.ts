/** What became of one record of a request. */
export interface SentRecord {
  readonly id: string | null;
  readonly status: 'accepted' | 'duplicate' | 'conflict' | 'rejected' | 'ignored';
  readonly code?: string;
  readonly detail?: string;
}
