/* How far an import is: a bar on a terminal, else a plain line now and then. */

/** As much of an output stream as is needed. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Figures of one log. */
export interface Position {
  readonly name: string;
  readonly lines: number;
  readonly bytes: number;
  /** Null for a stream. */
  readonly size: number | null;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const PLAIN_MS = 10_000;
const DEFAULT_COLUMNS = 80;

export class Progress {
  private start: { atMs: number; lines: number; bytes: number } | null = null;
  private lastAtMs = Number.NEGATIVE_INFINITY;
  private isDrawn = false;

  /** @param elapsedMs a clock that only runs forwards */
  constructor(
    private readonly output: Output,
    private readonly elapsedMs: () => number,
  ) {}

  /** Begins with a log; what it says of speed counts from here. */
  begin(): void {
    this.start = null;
    this.lastAtMs = this.output.isTTY === true ? Number.NEGATIVE_INFINITY : this.elapsedMs();
  }

  /** Shows where the import is, if it is time to. */
  show(position: Position): void {
    const now = this.elapsedMs();
    this.start ??= { atMs: now, lines: position.lines, bytes: position.bytes };
    const isTerminal = this.output.isTTY === true;
    if (now - this.lastAtMs < (isTerminal ? REDRAW_MS : PLAIN_MS)) {
      return;
    }
    this.lastAtMs = now;
    const text = describe(position, this.start, now);
    if (isTerminal) {
      const columns = (this.output.columns ?? DEFAULT_COLUMNS) - 1;
      this.output.write(`\r\u001B[K${text.slice(0, columns)}`);
      this.isDrawn = true;
    } else {
      this.output.write(`${text}\n`);
    }
  }

  /** Writes a line of its own. */
  say(text: string): void {
    this.clear();
    this.output.write(`${text}\n`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.isDrawn) {
      this.output.write('\r\u001B[K');
      this.isDrawn = false;
    }
  }
}

function describe(
  { name, lines, bytes, size }: Position,
  start: { atMs: number; lines: number; bytes: number },
  now: number,
): string {
  const seconds = (now - start.atMs) / 1_000;
  const rate = seconds > 0 ? Math.round((lines - start.lines) / seconds) : 0;
  const figures = `${lines} lines, ${rate}/s`;
  if (size === null || size === 0) {
    return `${name} ${figures}`;
  }
  const part = Math.min(bytes / size, 1);
  const filled = Math.round(part * BAR_WIDTH);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
  const speed = seconds > 0 ? (bytes - start.bytes) / seconds : 0;
  const left = speed > 0 ? `, ${durationOf((size - bytes) / speed)} left` : '';
  return `${name} ${bar} ${Math.floor(part * 100)} % ${figures}${left}`;
}

function durationOf(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 0);
  const minutes = Math.floor(whole / 60);
  if (minutes === 0) {
    return `${whole} s`;
  }
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
