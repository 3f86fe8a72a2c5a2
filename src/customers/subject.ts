/** How many subjects one request may give to a customer. */
export const MAX_SUBJECTS = 1_000;

const MAX_SUBJECT_LENGTH = 256;

export const SUBJECT_RULE = `must be text of 1 to ${MAX_SUBJECT_LENGTH} characters without NUL`;

/** Whether the text can be a subject: opaque, but PostgreSQL has to hold it. */
export function isSubject(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= MAX_SUBJECT_LENGTH &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}
