/* What is kept of a value that is refused: enough to see what was wrong, whatever it is. Pure. */
import { type Dialect } from './usage-event.js';

const MAX_KEPT_PAYLOAD = 65_536;
/** Deeper than any event may be, and far from where writing it fails. */
const MAX_LEVELS = 64;
const TOO_DEEP = '[too deep]';

/** The JSON text of a parsed value; what lies too deep to be written at all is left out. */
export function keptText(value: unknown, dialect: Dialect): string {
  try {
    return dialect.toText(value);
  } catch (error) {
    if (error instanceof RangeError) {
      return dialect.toText(cut(value, MAX_LEVELS, dialect));
    }
    throw error;
  }
}

/** The payload as it can be stored: not too long, and without NUL. */
export function storablePayload(text: string): string {
  return text.slice(0, MAX_KEPT_PAYLOAD).replaceAll('\0', '\uFFFD');
}

function cut(value: unknown, levels: number, dialect: Dialect): unknown {
  if (typeof value !== 'object' || value === null || dialect.isLongNumber(value)) {
    return value;
  }
  if (levels === 0) {
    return TOO_DEEP;
  }
  return Array.isArray(value)
    ? value.map((inner) => cut(inner, levels - 1, dialect))
    : Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [name, cut(inner, levels - 1, dialect)]),
      );
}
