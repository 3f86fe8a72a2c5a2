/* From the lines of a gateway's access log (nginx.conf beside this file) to usage events. */
import { readFile } from 'node:fs/promises';
import { Mistake } from '../support/mistake.js';

/** One line as nginx writes it; see README.md beside this file. */
interface LogLine {
  readonly msec: string;
  readonly request_id: string;
  readonly consumer: string;
  readonly region: string;
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly bytes_sent: number;
}

export interface LoggedUsage {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Record<string, string | number>;
}

export interface ReadLog {
  readonly lines: number;
  /** Lines of nobody: requests without a valid API key, and health checks. */
  readonly anonymous: number;
  readonly usage: readonly LoggedUsage[];
}

/**
 * Reads a log.
 *
 * @throws Mistake when it cannot be read, a line is not of that form, or nothing in it can be billed
 */
export async function readNginxLog(file: string): Promise<ReadLog> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it does not exist' : error;
    throw new Mistake(`${file} cannot be read: ${String(why)}.`, { cause: error });
  });
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed = lines.map((line, index) => {
    const read = parse(line);
    if (read === null) {
      throw new Mistake(
        `${file}: line ${index + 1} is not in the format of test/demo/nginx.conf, one JSON object a line.`,
      );
    }
    return read;
  });
  const owned = parsed.filter((line) => line.consumer !== '');
  if (owned.length === 0) {
    throw new Mistake(`${file} holds no request of an API key, so there is nothing to bill.`);
  }
  return {
    lines: lines.length,
    anonymous: lines.length - owned.length,
    usage: owned.map(toUsage),
  };
}

/** The line, null when it is none of ours. */
function parse(text: string): LogLine | null {
  try {
    const line = JSON.parse(text) as LogLine;
    const texts = [line.request_id, line.consumer, line.region, line.method, line.uri];
    const numbers = [line.status, line.bytes_sent];
    const isOurs =
      texts.every((value) => typeof value === 'string') &&
      numbers.every((value) => typeof value === 'number') &&
      Number(line.msec) > 0;
    return isOurs ? line : null;
  } catch {
    return null;
  }
}

function toUsage(line: LogLine): LoggedUsage {
  return {
    id: line.request_id,
    source: 'nginx',
    type: 'api.request',
    subject: line.consumer,
    time: new Date(Math.round(Number(line.msec) * 1_000)).toISOString(),
    data: {
      status: line.status,
      bytes: line.bytes_sent,
      method: line.method,
      path: line.uri,
      region: line.region,
    },
  };
}
