/* From the lines of a gateway's access log (nginx.conf beside this file) to usage events. */
import { readFile } from 'node:fs/promises';

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

/** Reads a log; a line that is not JSON of that form ends it with an error that names the line. */
export async function readNginxLog(file: string): Promise<ReadLog> {
  const text = await readFile(file, 'utf8');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed = lines.map((line, index) => {
    try {
      return JSON.parse(line) as LogLine;
    } catch (error) {
      throw new Error(`${file}: line ${index + 1} is no JSON`, { cause: error });
    }
  });
  const owned = parsed.filter((line) => line.consumer !== '');
  return {
    lines: lines.length,
    anonymous: lines.length - owned.length,
    usage: owned.map(toUsage),
  };
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
