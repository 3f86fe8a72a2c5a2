/* Questions about what Stripe's meters were told, beside our own usage. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Page } from '../../platform/http/page.js';
import { type MeterEvent, type MeterEventState } from './meter-event.js';
import { MeterEventListsStore, type StreamSums } from './meter-event-lists.store.js';
import { type Stream, type StreamState } from './stream.js';
import { StreamsStore } from './streams.store.js';

/** A stream with what it names, and what was sent of it. */
export interface NamedStream {
  readonly stream: Stream;
  readonly customer: Customer;
  readonly meter: Meter;
  readonly sums: StreamSums;
  /** What is to be sent yet, or less than 0 what is too much at Stripe; with what the periods before left. */
  readonly difference: Decimal;
}

export interface StreamFilter {
  /** Id or key; null: of all customers. */
  readonly customer: string | null;
  readonly subscriptionId: string | null;
  readonly state: StreamState | null;
}

@Injectable()
export class MeterEventsReader {
  constructor(
    private readonly lists: MeterEventListsStore,
    private readonly streams: StreamsStore,
    private readonly customers: CustomersReader,
    private readonly meters: MetersReader,
  ) {}

  /** Streams, newest first. Throws invalid when there is no such customer. */
  async listStreams(
    filter: StreamFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<NamedStream>> {
    const owner = filter.customer === null ? null : await this.customers.find(filter.customer);
    if (filter.customer !== null && owner === null) {
      const detail = `there is no customer '${filter.customer}'`;
      throw invalidField('customer', 'unknown_customer', detail);
    }
    const asked = { ...filter, customerId: owner?.id ?? null };
    const { items, nextCursor } = await this.lists.listStreams(asked, limit, before);
    return { items: await this.named(items), nextCursor };
  }

  /** One stream; throws not_found. */
  async getStream(id: string): Promise<NamedStream> {
    const stream = await this.streams.find(id);
    const [named] = stream === null ? [] : await this.named([stream]);
    if (named === undefined) {
      throw notFound('meter event stream', id);
    }
    return named;
  }

  /** Events, newest first. */
  async listEvents(
    filter: { readonly streamId: string | null; readonly state: MeterEventState | null },
    limit: number,
    before: string | null,
  ): Promise<Page<MeterEvent>> {
    return await this.lists.listEvents(filter, limit, before);
  }

  private async named(streams: readonly Stream[]): Promise<NamedStream[]> {
    const customers = await this.customers.byIds(streams.map(({ customerId }) => customerId));
    const meters = await this.meters.byIds(streams.map(({ meterId }) => meterId));
    const sums = await this.lists.sumsOf(streams.map(({ id }) => id));
    return streams.flatMap((stream) => {
      const customer = customers.get(stream.customerId);
      const meter = meters.get(stream.meterId);
      const of = sums.get(stream.id) ?? NO_SUMS;
      const difference = stream.quantity.plus(of.carried).minus(of.sent);
      return customer === undefined || meter === undefined
        ? []
        : [{ stream, customer, meter, sums: of, difference }];
    });
  }
}

const NO_SUMS: StreamSums = { carried: decimal('0'), sent: decimal('0'), failedCount: 0 };
