import type { StoredReply } from './idempotency.js';
import { newId } from './ids.js';
import type {
  CreditNote,
  Customer,
  Deleted,
  Event,
  InvoiceItem,
  InvoiceRecord,
  Meter,
  MeterEventRecord,
  Origin,
  PaymentMethod,
  Subscription,
  TestClock,
  ThinEvent,
} from './objects.js';
import { OwnedShelf, Shelf } from './shelf.js';

/** The version of the API whose shapes this double speaks; the one `stripe` 23.1 pins. */
export const API_VERSION = '2026-10-28.endive';

/** A payment method, and the decline its card gives when charged. */
export interface PaymentMethodRecord {
  object: PaymentMethod;
  decline: string | null;
}

interface Snapshot {
  id: string;
  customers: (Customer | Deleted)[];
  paymentMethods: PaymentMethodRecord[];
  items: InvoiceItem[];
  invoices: InvoiceRecord[];
  creditNotes: CreditNote[];
  subscriptions: Subscription[];
  meters: Meter[];
  meterEvents: MeterEventRecord[];
  thinEvents: ThinEvent[];
  events: Event[];
  replies: [string, StoredReply][];
}

/**
 * Everything one Stripe account holds. Maps keep creation order, which is the order of every list;
 * `created` has whole seconds and cannot give it.
 */
export class Account {
  id = newId('acct');
  /**
   * Where the metadata of an item shows: on the item, on its invoice's line, or both. Stripe documents
   * neither that a line shows what its item was given nor the reverse.
   */
  metadataShows: 'both' | 'items' | 'lines' = 'both';
  readonly customers = new Shelf<Customer | Deleted>();
  readonly paymentMethods = new Map<string, PaymentMethodRecord>();
  readonly items = new OwnedShelf<InvoiceItem>(({ customer }) => customer);
  readonly invoices = new OwnedShelf<InvoiceRecord>(({ head }) => head.customer);
  readonly creditNotes = new Shelf<CreditNote>();
  readonly subscriptions = new Map<string, Subscription>();
  readonly meters = new Shelf<Meter>();
  readonly meterEvents = new Map<string, MeterEventRecord>();
  readonly thinEvents = new Map<string, ThinEvent>();
  /** Of one run only, as are prices and the time that a test clock set. */
  readonly testClocks = new Map<string, TestClock>();
  readonly prices = new Map<string, { id: string; currency: string; unit_amount: number }>();
  readonly events = new Shelf<Event>();
  /** Those that the list does not show yet. */
  readonly hiddenEvents = new Set<string>();
  /** Replies kept by idempotency key until they are expired on demand. */
  readonly replies = new Map<string, StoredReply>();
  /** Told of each new event; answers how many endpoints it will be sent to. */
  onEvent: (event: Event) => number = () => 0;

  private aheadMs = 0;

  constructor(private readonly clock: () => number) {}

  /** The present in whole seconds, as in every `created`. */
  now(): number {
    return Math.floor((this.clock() + this.aheadMs) / 1000);
  }

  /** From now on it is as late as a test clock says. */
  goTo(seconds: number): void {
    this.aheadMs = seconds * 1000 - this.clock();
  }

  /** Records an event with a copy of `object` as it is now, and hands it to the webhooks. */
  emit(type: string, object: unknown, origin: Origin, previous?: Record<string, unknown>): Event {
    const event: Event = {
      id: newId('evt'),
      object: 'event',
      api_version: API_VERSION,
      created: this.now(),
      data: structuredClone(
        previous === undefined ? { object } : { object, previous_attributes: previous },
      ),
      livemode: false,
      pending_webhooks: 0,
      request: origin,
      type,
    };
    event.pending_webhooks = this.onEvent(event);
    this.events.set(event.id, event);
    return event;
  }

  /** All state as plain data; the objects are the live ones and must not be changed. */
  snapshot(): Snapshot {
    return {
      id: this.id,
      customers: [...this.customers.values()],
      paymentMethods: [...this.paymentMethods.values()],
      items: [...this.items.values()],
      invoices: [...this.invoices.values()],
      creditNotes: [...this.creditNotes.values()],
      subscriptions: [...this.subscriptions.values()],
      meters: [...this.meters.values()],
      meterEvents: [...this.meterEvents.values()],
      thinEvents: [...this.thinEvents.values()],
      events: [...this.events.values()],
      replies: [...this.replies],
    };
  }

  /** Takes over what `snapshot` once wrote. */
  restore(snapshot: Snapshot): void {
    this.id = snapshot.id;
    fill(this.customers, snapshot.customers, (object) => object.id);
    fill(this.paymentMethods, snapshot.paymentMethods, ({ object }) => object.id);
    fill(this.items, snapshot.items, (object) => object.id);
    fill(this.invoices, snapshot.invoices, ({ head }) => head.id);
    fill(this.creditNotes, snapshot.creditNotes, (object) => object.id);
    fill(this.subscriptions, snapshot.subscriptions, (object) => object.id);
    fill(this.meters, snapshot.meters, (object) => object.id);
    fill(this.meterEvents, snapshot.meterEvents, (object) => object.id);
    fill(this.thinEvents, snapshot.thinEvents, (object) => object.id);
    fill(this.events, snapshot.events, (object) => object.id);
    for (const [key, reply] of snapshot.replies) {
      this.replies.set(key, reply);
    }
  }
}

function fill<T>(map: Map<string, T>, values: T[], idOf: (value: T) => string): void {
  for (const value of values) {
    map.set(idOf(value), value);
  }
}

/** The old values of the fields that differ: an event's `previous_attributes`. */
export function previousAttributes(
  before: object,
  after: object,
): Record<string, unknown> | undefined {
  const now = after as Record<string, unknown>;
  const changed = Object.entries(before).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(now[key]),
  );
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}
