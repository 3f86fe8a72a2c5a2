/** The codes of PostgreSQL that stores tell apart (PostgreSQL documentation, appendix A). */
export const PgCode = {
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  exclusionViolation: '23P01',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
} as const;

interface PgError {
  readonly code: string;
  readonly constraint?: string;
}

/** The error as the driver gave it, whether or not TypeORM wrapped it; null when it is none of PostgreSQL's. */
export function pgError(error: unknown): PgError | null {
  const candidate: unknown =
    error instanceof Error && 'driverError' in error ? error.driverError : error;
  const isPgError =
    candidate instanceof Error &&
    'code' in candidate &&
    typeof candidate.code === 'string' &&
    'severity' in candidate;
  return isPgError ? (candidate as unknown as PgError) : null;
}

/** Whether the error is this breach of this named constraint. */
export function violates(error: unknown, constraint: string): boolean {
  return pgError(error)?.constraint === constraint;
}

/**
 * Whether PostgreSQL refused a value itself (class 22, or a limit of class 54): sending the same
 * row again can never succeed.
 */
export function isUnstorable(error: unknown): boolean {
  const code = pgError(error)?.code ?? '';
  return code.startsWith('22') || code.startsWith('54');
}

/**
 * The connection failed (08), the server is going, coming or full of connections (57P0x, 53300), it
 * has no disk, memory or files left (53, 58030), or it only reads, as one that was replaced by
 * another does (25006). All of these pass without anything that a sender could do.
 */
const AWAY_CODES = /^(?:08...|57P0[1-5]|53...|58030|25006|ECONN\w+|EPIPE|ETIMEDOUT)$/;
/** Of the driver, its pool and TypeORM, which give no codes; by the read timeout PostgreSQL's own has long passed. */
const CONNECTION_MESSAGES =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout expired|timeout exceeded when trying to connect)|already released/;
/** A file may not grow for a reason that PostgreSQL has no code for, such as a quota: only the routine tells. */
const INTERNAL_ERROR = 'XX000';
const EXTENDING_ROUTINES = new Set(['mdextend', 'mdzeroextend']);

/**
 * Whether there was no database that could do what it was asked: it restarts, cannot be reached, is
 * full, or only reads. The same may succeed later, without any change.
 */
export function isDatabaseAway(error: unknown): boolean {
  const candidate: unknown =
    error instanceof Error && 'driverError' in error ? error.driverError : error;
  if (!(candidate instanceof Error)) {
    return false;
  }
  const { code = '', routine = '' } = candidate as { code?: unknown; routine?: unknown };
  const cannotGrow = code === INTERNAL_ERROR && EXTENDING_ROUTINES.has(String(routine));
  return cannotGrow || AWAY_CODES.test(String(code)) || CONNECTION_MESSAGES.test(candidate.message);
}

/** Whether the database cannot be reached or entered: it is away, or its address, name or password is wrong. */
export function isUnusable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return isDatabaseAway(error) || /^(?:28|3D)...$|^ENOTFOUND$|^EAI_AGAIN$/.test(code);
}

/** Whether a statement was ended before it was done: it took too long, or somebody told it to. */
export function isCanceled(error: unknown): boolean {
  return pgError(error)?.code === PgCode.queryCanceled;
}

/** Whether a lock was not to be had in the time that was given. */
export function isLocked(error: unknown): boolean {
  return pgError(error)?.code === PgCode.lockNotAvailable;
}

/** Whether the same transaction may succeed when it is run again at once. */
export function isRetryable(error: unknown): boolean {
  const code = pgError(error)?.code;
  return (
    code === PgCode.serializationFailure ||
    code === PgCode.deadlockDetected ||
    code === PgCode.lockNotAvailable
  );
}
