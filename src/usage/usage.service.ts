import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../customers/customers.reader.js';
import { type Customer } from '../customers/customer.js';
import { Clock } from '../kernel/clock.js';
import { invalidField } from '../kernel/errors.js';
import { type Interval } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { MetersReader } from '../meters/meters.reader.js';
import { type BucketSize, bucketsOf, MAX_BUCKETS } from './buckets.js';
import { UsageReader } from './usage.reader.js';
import { type GroupFilter, type UsageSplit, type Whose } from './usage.sql.js';
import { type UsageLine } from './usage-row.js';

/** A question as callers put it; names may be ids or keys. */
export interface UsageRequest {
  readonly meter: string;
  readonly customer: string | null;
  readonly subject: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly window: BucketSize | null;
  readonly timeZone: string | null;
  readonly groupBy: readonly string[];
  readonly groupFilter: GroupFilter;
  /** Null: by customer, or by subject when one is asked for. */
  readonly by: UsageSplit | null;
}

export interface UsageAnswer {
  readonly meter: Meter;
  readonly timeZone: string;
  readonly buckets: readonly Interval[];
  /** Can be gone through once. */
  readonly lines: Iterable<UsageLine>;
  /** The customers that the lines name, by id. */
  readonly customers: ReadonlyMap<string, Customer>;
}

@Injectable()
export class UsageService {
  constructor(
    private readonly reader: UsageReader,
    private readonly meters: MetersReader,
    private readonly customers: CustomersReader,
    private readonly clock: Clock,
  ) {}

  /** Answers a question, after checking that what it names exists. */
  async ask(request: UsageRequest): Promise<UsageAnswer> {
    const [meter, customer] = await Promise.all([
      this.meters.get(request.meter),
      request.customer === null ? null : this.customers.find(request.customer),
    ]);
    checkGroups(meter, request);
    if (!(request.from < request.to)) {
      throw invalidField('to', 'is_after', 'must be after from');
    }
    if (request.customer !== null && request.subject !== null) {
      throw invalidField('subject', 'is_exclusive', 'cannot be combined with customer');
    }
    if (request.by !== null && request.subject !== null) {
      throw invalidField('by', 'is_exclusive', 'cannot be combined with subject');
    }
    if (request.customer !== null && customer === null) {
      throw invalidField('customer', 'not_found', `there is no customer '${request.customer}'`);
    }
    const timeZone = request.timeZone ?? customer?.timeZone ?? 'UTC';
    const span = { start: request.from, end: request.to };
    const buckets = bucketsOf(span, request.window, timeZone);
    if (buckets === null) {
      throw invalidField('window', 'too_many', `would give more than ${MAX_BUCKETS} rows`);
    }
    const { groupBy, groupFilter } = request;
    const whose = whoseOf(customer, request.subject);
    const now = this.clock.now();
    const by = request.by ?? (request.subject === null ? 'customer' : 'subject');
    const question = { meter, whose, buckets, by, groupBy, groupFilter, now };
    const { customerIds, lines } = await this.reader.readLines(question);
    const customers = await this.named(customerIds, customer);
    return { meter, timeZone, buckets, lines, customers };
  }

  /** The customers of these ids; of one who was asked for everything is known. */
  private async named(
    ids: ReadonlySet<string | null>,
    asked: Customer | null,
  ): Promise<ReadonlyMap<string, Customer>> {
    if (asked !== null) {
      return new Map([[asked.id, asked]]);
    }
    const named = [...ids].filter((id) => id !== null);
    return named.length === 0 ? new Map() : await this.customers.byIds(named);
  }
}

function whoseOf(customer: Customer | null, subject: string | null): Whose {
  if (customer !== null) {
    return { kind: 'customer', customerId: customer.id };
  }
  return subject === null ? { kind: 'customers' } : { kind: 'subject', subject };
}

function checkGroups(meter: Meter, { groupBy, groupFilter }: UsageRequest): void {
  const known = meter.groupBy.map((group) => group.key);
  const named = [
    ...groupBy.map((key) => ({ field: 'group_by', key })),
    ...Object.keys(groupFilter).map((key) => ({ field: `filter[${key}]`, key })),
  ];
  for (const { field, key } of named) {
    if (!known.includes(key)) {
      const detail = `the meter '${meter.key}' has no group '${key}'`;
      throw invalidField(field, 'unknown_group', detail);
    }
  }
}
