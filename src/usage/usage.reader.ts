import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../kernel/decimal.js';
import { Clock } from '../kernel/clock.js';
import { type Interval, type OpenInterval } from '../kernel/interval.js';
import { EventsReader } from '../events/events.reader.js';
import { type Meter } from '../meters/meter.js';
import { type GroupFilter, type UsageQuestion } from './usage.sql.js';
import { type UsageRow } from './usage-row.js';
import { type UsageLines, UsageStore } from './usage.store.js';

export type { UsageQuestion } from './usage.sql.js';

const NOTHING = decimal('0');

/** Questions in one statement; a plan of many prices asks as many, and a statement is planned as a whole. */
const MAX_QUESTIONS = 50;

/** The usage of a meter: all of it, or that of some groups. */
export interface MeteredUsage {
  readonly meter: Meter;
  readonly groupFilter?: GroupFilter;
  /** What passes one of these is left out. */
  readonly groupExclusions?: readonly GroupFilter[];
}

/** What other features may ask about usage. */
@Injectable()
export class UsageReader {
  constructor(
    private readonly store: UsageStore,
    private readonly events: EventsReader,
    private readonly clock: Clock,
  ) {}

  /** Exact quantities as they are shown, by customer, bucket and group; nothing where nothing was used. */
  async readLines(question: UsageQuestion): Promise<UsageLines> {
    return await this.store.readLines(question);
  }

  /** The same as numbers for several questions, each answer at the place of its question; in a transaction, as of its snapshot. */
  async readAll(questions: readonly UsageQuestion[]): Promise<UsageRow[][]> {
    const answers: UsageRow[][] = [];
    for (let start = 0; start < questions.length; start += MAX_QUESTIONS) {
      answers.push(...(await this.store.readAll(questions.slice(start, start + MAX_QUESTIONS))));
    }
    return answers;
  }

  /** The same for an answer of any length, some rows at a time; in a transaction, as of its snapshot. */
  async stream(
    question: UsageQuestion,
    take: (rows: readonly UsageRow[]) => Promise<void>,
  ): Promise<void> {
    await this.store.stream(question, take);
  }

  /** The same as it was at a cut-off, without what was stored or corrected later. */
  async readAsOf(question: UsageQuestion, cutOffBatch: bigint): Promise<UsageRow[]> {
    return await this.store.readAsOf(question, cutOffBatch);
  }

  /** What a customer used of a meter in a window; in a transaction, as of its snapshot. */
  async quantityOf(meter: Meter, customerId: string, window: Interval): Promise<Decimal> {
    const [quantity = NOTHING] = await this.quantitiesOf([{ meter }], customerId, {
      window,
      except: [],
    });
    return quantity;
  }

  /**
   * The same of several meters, or parts of them, each at the place of what it is asked for.
   *
   * @param period.except spans of which nothing counts, in order and apart from each other
   */
  async quantitiesOf(
    usages: readonly MeteredUsage[],
    customerId: string,
    { window, except }: { readonly window: Interval; readonly except: readonly OpenInterval[] },
  ): Promise<Decimal[]> {
    const now = this.clock.now();
    const questions = usages.map(
      ({ meter, groupFilter = {}, groupExclusions = [] }): UsageQuestion => ({
        meter,
        buckets: [window],
        except,
        groupBy: [],
        groupFilter,
        groupExclusions,
        now,
        whose: { kind: 'customer', customerId },
        by: 'customer',
      }),
    );
    const answers = await this.readAll(questions);
    return answers.map((rows) => rows[0]?.quantity ?? NOTHING);
  }

  /**
   * Runs the steps in one transaction that sees the usage of exactly the batches up to the cut-off,
   * which no later batch can change.
   */
  async atCutOff<Result>(run: (cutOffBatch: bigint) => Promise<Result>): Promise<Result> {
    return await this.events.atCutOff(run);
  }
}
