/** Why a text could not be read as JSON, in words for whoever sent it. */
export function whyNoJson(error: unknown): string {
  // Parsers that call themselves say so in terms of their own stack.
  if (error instanceof RangeError) {
    return 'it is nested too deep';
  }
  return error instanceof Error ? error.message : 'not JSON';
}
