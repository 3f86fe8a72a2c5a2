/** Why an import cannot go on, in words for whoever called it. */
export class ImportFault extends Error {}

/** The message of anything that was thrown, with that of its cause. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const { cause } = error;
  return cause instanceof Error && cause.message !== ''
    ? `${error.message} (${cause.message})`
    : error.message;
}
