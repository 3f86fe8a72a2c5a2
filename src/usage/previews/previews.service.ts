/*
 * Says what a meter would have counted, before there is one. From raw events, in one snapshot with
 * what the meter has counted that it is held against; stores nothing.
 */
import { Inject, Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { invalidField } from '../../kernel/errors.js';
import { type Interval } from '../../kernel/interval.js';
import { type MeterDefinition } from '../../meters/meter-definition.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type UsageQuestion, type Whose } from '../usage.sql.js';
import { type UsageRow } from '../usage-row.js';
import { UsageStore } from '../usage.store.js';
import {
  type BadValue,
  compareCustomers,
  type Comparison,
  type CustomerComparison,
  totalOf,
} from './preview.js';
import { type MatchCount, PreviewStore } from './preview.store.js';

/** More are no answer that somebody reads. */
const MAX_CUSTOMERS = 1_000;
const MAX_BAD_VALUES = 20;

/** Names may be ids or keys. */
export interface PreviewRequest {
  readonly definition: MeterDefinition;
  readonly window: Interval;
  readonly compareWith: string | null;
  /** Null: all, and what nobody owns. */
  readonly customer: string | null;
}

export interface Preview {
  readonly window: Interval;
  readonly compared: Meter | null;
  readonly events: MatchCount;
  readonly badValues: readonly BadValue[];
  /** Over all customers, also those that are not listed. */
  readonly total: Comparison;
  /** Usage that nobody owns, as if it were of one customer; null when one customer was asked for. */
  readonly unattributed: Comparison | null;
  readonly customerCount: number;
  readonly listed: readonly CustomerComparison[];
  /** The customers that are listed, by id. */
  readonly customers: ReadonlyMap<string, Customer>;
}

/** Both sides of an answer; the second is null when there is no meter to compare with. */
type BothSides = readonly [readonly UsageRow[], readonly UsageRow[] | null];

@Injectable()
export class PreviewsService {
  constructor(
    private readonly store: PreviewStore,
    private readonly usage: UsageStore,
    private readonly meters: MetersReader,
    private readonly customers: CustomersReader,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws DomainError invalid: what is named does not exist, or it is too much to read (too_much) */
  async preview(request: PreviewRequest): Promise<Preview> {
    const { window } = request;
    if (!(window.start < window.end)) {
      throw invalidField('to', 'is_after', 'must be after from');
    }
    const compared = await this.comparedMeter(request.compareWith);
    const customerId = await this.customerId(request.customer);
    const now = this.clock.now();
    const id = { id: '', number: 0, key: '', name: '' };
    const meter: Meter = { ...request.definition, ...id, createdAt: now };
    const read = await this.store.inOneSnapshot(
      this.config.usage.previewTimeoutMs,
      async (limit) => {
        const ask = async (whose: Whose): Promise<BothSides> => {
          const rest = {
            buckets: [window],
            by: 'customer' as const,
            groupBy: [],
            groupFilter: {},
            now,
          };
          return await this.bothSides(limit, { ...rest, meter, whose }, compared);
        };
        await limit();
        const events = await this.store.count(meter, window, customerId);
        await limit();
        const badValues =
          events.bad === 0n
            ? []
            : await this.store.listBad(meter, window, customerId, MAX_BAD_VALUES);
        const owned = await ask(
          customerId === null ? { kind: 'customers' } : { kind: 'customer', customerId },
        );
        const unowned = customerId === null ? await ask({ kind: 'nobody' }) : null;
        return { events, badValues, owned, unowned };
      },
    );
    const customers = compareCustomers(...read.owned);
    const listed = customers.slice(0, MAX_CUSTOMERS);
    return {
      window,
      compared,
      events: read.events,
      badValues: read.badValues,
      total: totalOf(...read.owned),
      unattributed: read.unowned === null ? null : totalOf(...read.unowned),
      customerCount: customers.length,
      listed,
      customers: await this.customers.byIds(listed.map((customer) => customer.customerId)),
    };
  }

  private async bothSides(
    limit: () => Promise<void>,
    question: UsageQuestion,
    compared: Meter | null,
  ): Promise<BothSides> {
    await limit();
    const rows = await this.usage.readFromEvents(question);
    if (compared === null) {
      return [rows, null];
    }
    await limit();
    return [rows, await this.usage.read({ ...question, meter: compared })];
  }

  private async comparedMeter(idOrKey: string | null): Promise<Meter | null> {
    const meter = idOrKey === null ? null : await this.meters.find(idOrKey);
    if (idOrKey !== null && meter === null) {
      throw invalidField('compare_with', 'not_found', `there is no meter '${idOrKey}'`);
    }
    return meter;
  }

  private async customerId(idOrKey: string | null): Promise<string | null> {
    const customer = idOrKey === null ? null : await this.customers.find(idOrKey);
    if (idOrKey !== null && customer === null) {
      throw invalidField('customer', 'not_found', `there is no customer '${idOrKey}'`);
    }
    return customer?.id ?? null;
  }
}
