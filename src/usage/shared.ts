import { type Buckets } from './buckets.sql.js';
import { type Parameters } from './meter-sql.js';

/** What the questions of a statement have in common: the CTEs before them, and these buckets. */
export interface Shared {
  readonly buckets: Buckets;
  /** Whether what is kept of days is among them: of a single meter that adds up its hours are read as fast. */
  readonly isKept: boolean;
}

export interface StatementOptions {
  readonly parameters: Parameters;
  /** Null: the statement is a question's own. */
  readonly shared: Shared | null;
}
