import { type UsageEvent } from './usage-event.js';

const SPECIAL = /[\\\t\n\r]/;
const EACH_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

/**
 * The event as columns of COPY's text format (PostgreSQL documentation, COPY, "Text Format"):
 * source, id, type, subject, time, data, extensions.
 */
export function copyLine(event: UsageEvent): string {
  const extensions = event.extensions === null ? '\\N' : escape(event.extensions);
  return `${escape(event.source)}\t${escape(event.id)}\t${escape(event.type)}\t${escape(event.subject)}\t${event.time}\t${escape(event.data)}\t${extensions}`;
}

function escape(text: string): string {
  return SPECIAL.test(text)
    ? text.replaceAll(EACH_SPECIAL, (character) => ESCAPES[character] ?? character)
    : text;
}
