import { type Buckets } from './buckets.sql.js';
import { type Parameters } from './meter-sql.js';

/** What the questions of a statement have in common: the CTEs before them, what is kept of days among them, and these buckets. */
export interface Shared {
  readonly buckets: Buckets;
}

export interface StatementOptions {
  readonly parameters: Parameters;
  /** Null: the statement is a question's own. */
  readonly shared: Shared | null;
}
