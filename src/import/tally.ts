/* What became of the records of logs, in numbers and in words. Pure. */
import { type Body, isBeyondCounting, type Item } from './batch.js';
import { type LineRefusal } from './log-line.js';
import { type SentRecord } from './sink.js';

const STATUSES = ['accepted', 'duplicate', 'conflict', 'ignored', 'rejected'] as const;
const MAX_EXAMPLES = 3;
const HASHED_ID = /^rec_/;

const REPEATED: LineRefusal = {
  code: 'repeated_too_often',
  detail:
    'The line has no id, and more equals before it than one request holds: the service cannot tell it from them. Log an id.',
};

interface Reason {
  count: number;
  readonly detail: string;
  readonly examples: string[];
}

export class Tally {
  readonly counts = { accepted: 0, duplicate: 0, conflict: 0, ignored: 0, rejected: 0 };
  /** Lines that an earlier run has sent. */
  earlier = 0;
  private readonly reasons = new Map<string, Reason>();

  /** Whether every record is stored, or is no usage. */
  get isClean(): boolean {
    return this.counts.rejected + this.counts.conflict === 0;
  }

  /** How many records came to an end. */
  get total(): number {
    return STATUSES.reduce((sum, status) => sum + this.counts[status], 0);
  }

  /** Counts the answer to a request, and remembers what it shows of ids. */
  addAnswer(name: string, { owners }: Body, records: readonly SentRecord[]): void {
    owners.forEach((owner, index) => {
      const record = records[index];
      if (record === undefined) {
        return;
      }
      if (owner === null) {
        this.addCopy(record);
        return;
      }
      const isHashed = record.id !== null && HASHED_ID.test(record.id);
      const isLost = isHashed && record.status === 'duplicate' && isBeyondCounting(owner);
      if (!isHashed || record.status === 'rejected' || record.status === 'ignored') {
        owner.equals.isOrderNeeded = false;
      }
      if (isLost) {
        this.refuse(name, owner, REPEATED);
      } else if (record.status === 'rejected' || record.status === 'conflict') {
        const { code = record.status, detail = '' } = record;
        this.addReason(record.status, name, owner, { code, detail });
      } else {
        this.counts[record.status] += 1;
      }
    });
  }

  /** Counts an item that makes no event, whoever says so. */
  refuse(name: string, item: Item, refusal: LineRefusal): void {
    this.addReason('rejected', name, item, refusal);
  }

  /** The summary, line by line. */
  lines(isDry: boolean): string[] {
    const { counts } = this;
    const shown = STATUSES.map((status) => `${status} ${counts[status]}`);
    const said = isDry ? 'Dry run, nothing was stored: ' : '';
    return [
      `${said}${this.total} records: ${shown.join(', ')}`,
      ...(this.earlier > 0
        ? [`${this.earlier} lines were acknowledged before and not sent again (--from-start does)`]
        : []),
      ...[...this.reasons].flatMap(([code, { count, detail, examples }]) => [
        `  ${code}: ${count}, such as ${examples.join(', ')}`,
        `    ${detail}`,
      ]),
    ];
  }

  /**
   * A copy that is accepted came before the line that it stands for, in a request beside this one; that
   * line is then answered as its duplicate.
   */
  private addCopy({ status }: SentRecord): void {
    if (status === 'accepted') {
      this.counts.accepted += 1;
      this.counts.duplicate -= 1;
    }
  }

  private addReason(
    status: 'rejected' | 'conflict',
    name: string,
    { number }: Item,
    { code, detail }: LineRefusal,
  ): void {
    this.counts[status] += 1;
    const reason = this.reasons.get(code) ?? { count: 0, detail, examples: [] };
    reason.count += 1;
    if (reason.examples.length < MAX_EXAMPLES) {
      reason.examples.push(`${name}:${number}`);
    }
    this.reasons.set(code, reason);
  }
}
