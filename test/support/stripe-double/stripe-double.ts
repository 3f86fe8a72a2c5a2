import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Account } from './account.js';
import { Api } from './api.js';
import { control, CONTROL_PATH } from './control.js';
import { FaultBook, type FaultOrder } from './faults.js';
import { advance } from './invoice-life.js';
import { type CallCount, type Concurrency, Limits, type LimitSettings } from './limits.js';
import { reportMeterErrors } from './meter-events.js';
import type { Event, Invoice, Subscription, ThinEvent } from './objects.js';
import { cancel, finalizeDue, type NewSubscription, renew, subscribe } from './subscriptions.js';
import { RequestLog, type RequestRecord } from './request-log.js';
import { StateFile } from './state-file.js';
import { type Delivery, Webhooks, type WebhookSettings } from './webhooks.js';

/** Longer than clients keep idle connections, so that none is closed as it is used again. */
const KEEP_ALIVE_MS = 60_000;

export interface StripeDoubleOptions {
  /** 0 takes a free port. */
  port?: number;
  host?: string;
  /** Where the account is kept; without it, it lives as long as the double. */
  stateFile?: string | undefined;
  webhooks?: Partial<WebhookSettings>;
  limits?: Partial<LimitSettings>;
  /** Milliseconds; the source of every `created`. */
  clock?: () => number;
}

/** A running double and its controls. The account is read with the `stripe` package at `url`. */
export class StripeDouble {
  private readonly account: Account;
  private readonly api: Api;
  private readonly faults = new FaultBook();
  private readonly limiter: Limits;
  private readonly log = new RequestLog();
  private readonly sender = new Webhooks();
  private readonly server: Server;
  private readonly stateFile: StateFile | undefined;

  constructor(private readonly options: StripeDoubleOptions) {
    const clock = options.clock ?? Date.now;
    this.account = new Account(clock);
    this.limiter = new Limits(clock);
    this.limits(options.limits);
    this.webhooks(options.webhooks);
    this.stateFile =
      options.stateFile === undefined ? undefined : new StateFile(options.stateFile, this.account);
    this.api = new Api({
      account: this.account,
      faults: this.faults,
      limits: this.limiter,
      log: this.log,
      commit: async () => {
        await this.commit();
      },
    });
    this.account.onEvent = (event) => this.sender.stage(event);
    this.sender.onDelivered = (event) => this.recordDelivery(event);
    this.server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      const handled =
        request.url?.startsWith(CONTROL_PATH) === true
          ? control(this, request, response)
          : this.api.handle(request, response);
      handled.catch(() => request.socket.destroy());
    });
  }

  /** Loads the state, listens, and takes up what was not delivered before. */
  async start(): Promise<void> {
    this.stateFile?.load();
    const { port = 0, host = '127.0.0.1' } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, resolve);
    });
    for (const event of this.account.events.values()) {
      if (event.pending_webhooks > 0) {
        this.sender.stage(event);
      }
    }
    this.sender.release(this.sender.takeStaged());
  }

  /** Stops listening, breaks what is under way and writes the state; a second call does nothing. */
  async close(): Promise<void> {
    if (!this.server.listening) {
      return;
    }
    this.api.close();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
    await this.sender.close();
    await this.save();
  }

  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  get url(): string {
    const { host, port } = this.address;
    return `http://${host}:${port}`;
  }

  /** What `new Stripe(key, …)` needs to come here. */
  get address(): { host: string; port: number; protocol: 'http' } {
    const { address, port } = this.server.address() as AddressInfo;
    return { host: address, port, protocol: 'http' };
  }

  /** Every request of the API in order of arrival, also those that were dropped. */
  requests(): RequestRecord[] {
    return this.log.all();
  }

  clearRequests(): void {
    this.log.clear();
  }

  orderFault(order: FaultOrder): void {
    this.faults.order(order);
  }

  pendingFaults(): (FaultOrder & { left: number })[] {
    return this.faults.pending();
  }

  clearFaults(): void {
    this.faults.clear();
  }

  /** Changes the settings given and returns all of them. */
  webhooks(change: Partial<WebhookSettings> = {}): WebhookSettings {
    return { ...Object.assign(this.sender.settings, change) };
  }

  /** Every attempt to deliver a webhook so far. */
  deliveries(): Delivery[] {
    return [...this.sender.deliveries];
  }

  /** Sends all webhooks that are held or waiting, once each; returns the attempts made. */
  async deliver(): Promise<Delivery[]> {
    return await this.sender.deliver();
  }

  /** Copies of webhooks not sent yet. */
  waitingWebhooks(): number {
    return this.sender.waiting();
  }

  /** Changes the settings given and returns all of them. */
  limits(change: Partial<LimitSettings> = {}): LimitSettings {
    return { ...Object.assign(this.limiter.settings, change) };
  }

  /** The most mutations seen at once, by customer and invoice. */
  concurrency(): Concurrency {
    return this.limiter.concurrency();
  }

  resetConcurrency(): void {
    this.limiter.resetConcurrency();
  }

  /** How often each endpoint was called since the start, and how often a limit refused it. */
  calls(): Record<string, CallCount> {
    return this.limiter.calls();
  }

  /** What is on invoices and was put there by somebody who named it in the metadata: by that name, each with its amount. */
  named(key: string): { name: string; amount: number; status: string | null }[] {
    return [...this.account.items.values()].flatMap(({ metadata, amount, invoice }) => {
      const status = this.account.invoices.get(invoice ?? '')?.head.status ?? null;
      return metadata[key] === undefined ? [] : [{ name: metadata[key], amount, status }];
    });
  }

  /** Drafts that are finalized by themselves when their time has come. */
  draftsToFinalize(): string[] {
    return [...this.account.invoices.values()]
      .filter(({ head }) => head.status === 'draft' && head.auto_advance)
      .map(({ head }) => head.id);
  }

  /** As if 24 hours had passed for all idempotency keys that are so old; returns how many were kept. */
  async expireIdempotencyKeys(olderThanMs = 0): Promise<number> {
    const expired = this.api.idempotency.expire(olderThanMs);
    await this.save();
    return expired;
  }

  /**
   * As if the time had come for `auto_advance` invoices (or one of them): drafts are finalized, open ones
   * charged. Returns the ids of those that moved.
   */
  async advance(invoice?: string): Promise<string[]> {
    const moved = [...this.account.invoices.values()]
      .filter(({ head }) => invoice === undefined || head.id === invoice)
      .filter((record) => advance(this.account, record))
      .map(({ head }) => head.id);
    await this.commit();
    return moved;
  }

  /** Starts a subscription, whose first invoice is final at once. */
  async subscribe(input: NewSubscription): Promise<Subscription> {
    const subscription = subscribe(this.account, input);
    await this.commit();
    return structuredClone(subscription);
  }

  /** As if a subscription's period were over: the next one, until `end`, begins with a draft. Returns its id. */
  async renew(subscription: string, end: Date): Promise<string> {
    const invoice = renew(this.account, subscription, end);
    await this.commit();
    return invoice;
  }

  /** Ends a subscription at once; its drafts stay. */
  async cancelSubscription(subscription: string): Promise<void> {
    cancel(this.account, subscription);
    await this.commit();
  }

  /**
   * Finalizes the drafts of subscriptions whose time has come by the clock: an hour after the webhook of
   * `invoice.created` was answered, or 72 hours after they were made. Returns their ids.
   */
  async finalizeDue(): Promise<string[]> {
    const moved = finalizeDue(this.account);
    await this.commit();
    return moved;
  }

  /** Shows the metadata of items on invoices in one place only, or in both. */
  showMetadataOn(place: 'both' | 'items' | 'lines'): void {
    this.account.metadataShows = place;
  }

  /** As if an invoice had never been in this account, whatever its state. */
  async forget(invoice: string): Promise<void> {
    for (const { item } of this.account.invoices.get(invoice)?.lines ?? []) {
      this.account.items.delete(item);
    }
    this.account.invoices.delete(invoice);
    await this.commit();
  }

  /** Leaves events out of the list, as if they were listed late. */
  hideEvents(ids: readonly string[]): void {
    ids.forEach((id) => this.account.hiddenEvents.add(id));
  }

  /** Lists every event again, each where it belongs. */
  showEvents(): void {
    this.account.hiddenEvents.clear();
  }

  /** Makes an event of any type, as if something else had happened in the account. */
  async emit(type: string, object: unknown): Promise<Event> {
    const event = this.account.emit(type, object, { id: null, idempotency_key: null });
    await this.commit();
    return event;
  }

  /**
   * Tells of the meter events that were refused since the last time, as Stripe does some while after they
   * came: by thin events, which the test hands over as it likes.
   *
   * @param samples how many of them an event names at most
   */
  async reportMeterErrors(samples = 5): Promise<ThinEvent[]> {
    const events = reportMeterErrors(this.account, samples);
    await this.commit();
    return structuredClone(events);
  }

  /** A copy of all that the account holds. */
  state(): ReturnType<Account['snapshot']> {
    return structuredClone(this.account.snapshot());
  }

  private recordDelivery(event: Event): void {
    if (event.type === 'invoice.created') {
      const record = this.account.invoices.get((event.data.object as Invoice).id);
      if (record !== undefined) {
        record.head.webhooks_delivered_at = this.account.now();
      }
    }
    this.save().catch(() => undefined);
  }

  /** Called in the same step as a change, so that what is staged are the events of that change. */
  private async commit(): Promise<void> {
    const events = this.sender.takeStaged();
    await this.save();
    this.sender.release(events);
  }

  private async save(): Promise<void> {
    await this.stateFile?.save();
  }
}

/** Starts a double of Stripe on this machine. */
export async function startStripeDouble(options: StripeDoubleOptions = {}): Promise<StripeDouble> {
  const double = new StripeDouble(options);
  await double.start();
  return double;
}
