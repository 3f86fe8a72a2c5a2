/*
 * Usage of many meters, customers and windows as one stream of rows. All of it is of one moment: one
 * snapshot from the first row to the last, however long it takes to send. Holds some hundred rows at
 * a time, since it goes on when they have been taken. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { type Decimal } from '../../kernel/decimal.js';
import { DomainError, invalidField } from '../../kernel/errors.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { Database } from '../../platform/database/database.js';
import { bucketChunks, type BucketSize } from '../buckets.js';
import { UsageReader } from '../usage.reader.js';
import { type UsageQuestion, type UsageSplit } from '../usage.sql.js';
import { type UsageRow } from '../usage-row.js';

/** Vacuum removes nothing that is newer than the oldest snapshot, so nobody may hold one for longer. */
export const MAX_SNAPSHOT_MS = 600_000;
/** Each holds a connection of the pool, which has 20, for as long as its reader takes. */
export const MAX_AT_ONCE = 4;
/** Eleven years of hours. */
export const MAX_WINDOWS = 100_000;

/** What is to be exported; names may be ids or keys. */
export interface ExportRequest {
  /** Empty: all meters. */
  readonly meters: readonly string[];
  /** Null: all customers. */
  readonly customer: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly window: BucketSize | null;
  readonly timeZone: string | null;
  readonly by: UsageSplit;
  /** A meter is split by those of them that it has. */
  readonly groupBy: readonly string[];
}

export interface ExportRow {
  readonly meter: Meter;
  /** Key of the customer; null in a total. */
  readonly customer: string | null;
  readonly subject: string | null;
  readonly bucket: Interval;
  readonly group: Readonly<Record<string, string | null>>;
  readonly quantity: Decimal;
}

/** Takes rows in order, some at a time; what it awaits must heed the signal. */
export interface ExportSink {
  /** Called once, before the first rows, when what the request names is known to exist. */
  begin(timeZone: string): void;
  take(rows: readonly ExportRow[], signal: AbortSignal): Promise<void>;
}

const LENGTHS_MS: Readonly<Record<BucketSize, number>> = {
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 30 * 86_400_000,
};

@Injectable()
export class ExportService {
  private underWay = 0;

  constructor(
    private readonly database: Database,
    private readonly meters: MetersReader,
    private readonly customers: CustomersReader,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
  ) {}

  /**
   * Hands every row to the sink, ordered by meter, then window. Throws the signal's reason when it
   * aborts, and a TimeoutError after MAX_SNAPSHOT_MS.
   *
   * @returns how many rows there were
   * @throws DomainError invalid for what does not exist; unavailable beyond MAX_AT_ONCE
   */
  async run(request: ExportRequest, sink: ExportSink, signal: AbortSignal): Promise<number> {
    checkSpan(request);
    if (this.underWay >= MAX_AT_ONCE) {
      const detail = `There are ${MAX_AT_ONCE} exports under way here; no more run at once.`;
      throw new DomainError('unavailable', 'unavailable', detail);
    }
    this.underWay += 1;
    try {
      const limits = { maxMs: MAX_SNAPSHOT_MS, signal };
      return await this.database.longSnapshot(
        limits,
        async (until) => await this.write(request, sink, until),
      );
    } finally {
      this.underWay -= 1;
    }
  }

  private async write(
    request: ExportRequest,
    sink: ExportSink,
    signal: AbortSignal,
  ): Promise<number> {
    const customer = request.customer === null ? null : await this.customer(request.customer);
    const meters = await this.metersOf(request.meters);
    checkGroups(request.groupBy, meters);
    const timeZone = request.timeZone ?? customer?.timeZone ?? 'UTC';
    sink.begin(timeZone);
    const now = this.clock.now();
    const whose =
      customer === null
        ? ({ kind: 'customers' } as const)
        : ({ kind: 'customer', customerId: customer.id } as const);
    const span = { start: request.from, end: request.to };
    let count = 0;
    for (const meter of meters) {
      const groupBy = request.groupBy.filter((key) => hasGroup(meter, key));
      for (const buckets of bucketChunks(span, request.window, timeZone)) {
        signal.throwIfAborted();
        const { by } = request;
        const question = { meter, whose, buckets, by, groupBy, groupFilter: {}, now };
        await this.usage.stream(question, async (rows) => {
          count += rows.length;
          await sink.take(await this.named(rows, question), signal);
        });
      }
    }
    return count;
  }

  private async named(rows: readonly UsageRow[], question: UsageQuestion): Promise<ExportRow[]> {
    const ids = rows.flatMap((row) => (row.customerId === null ? [] : [row.customerId]));
    const customers = await this.customers.byIds(ids);
    return rows.flatMap((row) => {
      const bucket = question.buckets[row.bucket];
      const group = question.groupBy.map((key, index) => [key, row.groups[index] ?? null]);
      return bucket === undefined
        ? []
        : {
            meter: question.meter,
            customer: row.customerId && (customers.get(row.customerId)?.key ?? null),
            subject: row.subject,
            bucket,
            group: Object.fromEntries(group) as ExportRow['group'],
            quantity: row.quantity,
          };
    });
  }

  private async customer(idOrKey: string): Promise<Customer> {
    const customer = await this.customers.find(idOrKey);
    if (customer === null) {
      throw invalidField('customer', 'not_found', `there is no customer '${idOrKey}'`);
    }
    return customer;
  }

  /** In the order in which they are named, each once; all of them in the order of creation. */
  private async metersOf(names: readonly string[]): Promise<readonly Meter[]> {
    if (names.length === 0) {
      return await this.meters.all();
    }
    const meters = new Map<string, Meter>();
    for (const name of names) {
      const meter = await this.meters.find(name);
      if (meter === null) {
        throw invalidField('meter', 'not_found', `there is no meter '${name}'`);
      }
      meters.set(meter.id, meter);
    }
    return [...meters.values()];
  }
}

function checkSpan({ from, to, window }: ExportRequest): void {
  if (!(from < to)) {
    throw invalidField('to', 'is_after', 'must be after from');
  }
  if (window !== null && (to.getTime() - from.getTime()) / LENGTHS_MS[window] > MAX_WINDOWS) {
    throw invalidField('window', 'too_many', `would give more than ${MAX_WINDOWS} windows`);
  }
}

function checkGroups(groupBy: readonly string[], meters: readonly Meter[]): void {
  for (const key of groupBy) {
    if (!meters.some((meter) => hasGroup(meter, key))) {
      throw invalidField('group_by', 'unknown_group', `no meter of these has a group '${key}'`);
    }
  }
}

const hasGroup = (meter: Meter, key: string): boolean =>
  meter.groupBy.some((group) => group.key === key);
