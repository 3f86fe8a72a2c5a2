/* One log: its batches go out with a few on their way, and are remembered once all before them are acknowledged. */
import { cutBatches, halvesOf, type Item, toBodies } from './batch.js';
import { type OpenLog } from './log-reader.js';
import { type LineRefusal } from './log-line.js';
import { Occurrences } from './occurrences.js';
import { ImportFault } from './import-fault.js';
import { type SendResult, type Sink } from './sink.js';
import { type Tally } from './tally.js';

export interface ImportOptions {
  readonly name: string;
  readonly sink: Sink;
  readonly tally: Tally;
  readonly inFlight: number;
  /** Lines up to this one are known to the service; they are read, but not sent. */
  readonly skipped: number;
  /** Told of the last line of which all before it are acknowledged. */
  readonly acknowledge: (line: number) => Promise<void>;
  /** Told of every batch. */
  readonly advance: (line: number) => void;
  /** Whether a log of which the first lines cannot be read is of another format, and stops the import. */
  readonly stopsAtOtherFormat: boolean;
  /** Called at the first fault, so that requests under way end. */
  readonly abort: () => void;
}

/**
 * Sends what the log holds.
 *
 * @throws ImportFault at the first fault that sending again does not mend
 */
export async function importLog(log: OpenLog, options: ImportOptions): Promise<void> {
  await new LogImport(options).run(log);
}

type Refused = Exclude<SendResult, { kind: 'answered' }>;

class LogImport {
  private readonly underWay = new Set<Promise<void>>();
  /** Batches that were begun, in order, without those that are acknowledged with all before them. */
  private readonly open: { done: boolean; readonly line: number }[] = [];
  private firstLine: number | null = null;
  private fault: { readonly error: unknown } | null = null;

  constructor(private readonly options: ImportOptions) {}

  async run({ lines }: OpenLog): Promise<void> {
    const { skipped, inFlight } = this.options;
    try {
      for await (const batch of cutBatches(lines, new Occurrences(), skipped)) {
        const isFirst = this.firstLine === null;
        this.begin(batch);
        if (isFirst) {
          // Alone: when it shows that the log is of another format, nothing of the rest has been sent.
          await Promise.all(this.underWay);
        } else if (this.underWay.size >= inFlight) {
          await Promise.race(this.underWay);
        }
        this.throwFault();
      }
    } catch (error) {
      // What was read before the fault is good, and goes out as far as it still can.
      this.fault ??= { error };
    }
    await Promise.all(this.underWay);
    this.throwFault();
  }

  private begin(batch: readonly Item[]): void {
    const mark = { done: false, line: lastEndedLine(batch) };
    this.open.push(mark);
    this.firstLine ??= batch[0]?.number ?? null;
    const sending = this.finish(batch, mark).finally(() => {
      this.underWay.delete(sending);
    });
    this.underWay.add(sending);
  }

  /** Never throws: nobody waits for it before the next batch is read. */
  private async finish(batch: readonly Item[], mark: { done: boolean }): Promise<void> {
    try {
      await this.deliver(batch);
      mark.done = true;
      await this.acknowledge();
    } catch (error) {
      this.fault ??= { error };
      this.options.abort();
    }
  }

  private throwFault(): void {
    if (this.fault !== null) {
      throw this.fault.error;
    }
  }

  private async acknowledge(): Promise<void> {
    let line = 0;
    while (this.open[0]?.done === true) {
      line = this.open.shift()?.line ?? line;
    }
    if (line > 0) {
      await this.options.acknowledge(line);
    }
  }

  private async deliver(batch: readonly Item[]): Promise<void> {
    const { name, tally, advance } = this.options;
    await this.send(batch);
    for (const item of batch) {
      if (item.refusal !== null) {
        tally.refuse(name, item, item.refusal);
      }
    }
    advance(batch.at(-1)?.number ?? 0);
  }

  private async send(items: readonly Item[]): Promise<void> {
    const { name, sink, tally } = this.options;
    for (const body of toBodies(items)) {
      const owners = body.owners.filter((owner) => owner !== null);
      const result = await sink.send(body);
      if (result.kind === 'answered') {
        tally.addAnswer(name, body, result.records);
      } else if (result.kind === 'too_large' && owners.length > 1) {
        for (const half of halvesOf(owners)) {
          await this.send(half);
        }
      } else {
        this.assertFormat(owners, result);
        this.refuseAll(owners, result.refusal);
      }
    }
  }

  /** @throws ImportFault when nothing of the beginning of a log can be read */
  private assertFormat(items: readonly Item[], { kind, refusal }: Refused): void {
    const { name, skipped, stopsAtOtherFormat } = this.options;
    const isBeginning = skipped === 0 && items[0]?.number === this.firstLine;
    if (stopsAtOtherFormat && kind === 'unreadable' && isBeginning) {
      throw new ImportFault(
        `${name} is not in the format of the source, it seems: none of its first ${items.length} lines can be read (${refusal.code}). Try it with --dry-run, or name another source.`,
      );
    }
  }

  private refuseAll(items: readonly Item[], refusal: LineRefusal): void {
    const { name, tally } = this.options;
    for (const item of items) {
      item.equals.isOrderNeeded = false;
      tally.refuse(name, item, refusal);
    }
  }
}

/** A last line without its end may yet grow: it is sent, and read again by the next run. */
function lastEndedLine(batch: readonly Item[]): number {
  const last = batch.at(-1);
  return last === undefined || last.isEnded ? (last?.number ?? 0) : last.number - 1;
}
