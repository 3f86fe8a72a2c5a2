/**
 * A fault that a person can mend, met while the service starts or keeps itself running. Its message
 * says what is wrong and what to do, so nobody is shown a stack.
 */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
  }
}

/** What is written when the process ends because of an error: the stack is for faults of our own. */
export function lastWords(error: unknown): string {
  if (error instanceof StartError) {
    return error.message;
  }
  return error instanceof Error ? String(error.stack) : String(error);
}
