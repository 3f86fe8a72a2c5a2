/*
 * All calls to Stripe go through here, and only the clients of this folder know its SDK. Never inside a transaction;
 * never with the SDK's own retries, which could neither survive a crash nor look first. What went wrong
 * comes back as a value; only faults of this program are thrown.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Stripe } from 'stripe';
import { CONFIG, type Config } from '../platform/config.js';
import { Database } from '../platform/database/database.js';
import {
  itemsShown,
  toInvoice,
  toItem,
  toItemOfLine,
  toLine,
  toSeconds,
  withMetadata,
} from './conversions.js';
import { LimitedHttp } from './limited-http.js';
import { RateLimiterService } from './rate-limiter.service.js';
import {
  type FinalizedInvoice,
  type NewStripeInvoice,
  type NewStripeInvoiceItem,
  type NewStripeLine,
  type StripeEventPage,
  type StripeInvoice,
  type StripeInvoiceItem,
} from './stripe-object.js';
import { classify, mapResult, type StripeFault, type StripeResult } from './stripe-result.js';

/** Stripe's own largest page. */
export const PAGE_SIZE = 100;
/** Stripe allows 250 items on an invoice; a customer with more invoices in a day needs a person. */
const MAX_PAGES = 20;
/** As Stripe recommends (docs.stripe.com/webhooks); given explicitly, since 0 would switch it off. */
const SIGNATURE_TOLERANCE_SECONDS = 300;
const HTTPS_PORT = 443;
const HTTP_PORT = 80;

interface Listed<Item> {
  readonly data: Item[];
  readonly has_more: boolean;
}

@Injectable()
export class StripeClient {
  private readonly sdk: Stripe | null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    limiter: RateLimiterService,
  ) {
    this.sdk = createSdk(config.stripe, new LimitedHttp(limiter));
  }

  /** Whether there is a key to call Stripe with. */
  get isConfigured(): boolean {
    return this.sdk !== null;
  }

  /** Whether the key is one for real money; null when there is no key, or its kind cannot be told. */
  get livemode(): boolean | null {
    const mode = /^[rs]k_(live|test)_/.exec(this.config.stripe.secretKey ?? '')?.[1];
    return mode === undefined ? null : mode === 'live';
  }

  /** A draft that Stripe neither finalizes by itself nor puts other pending items on. */
  async createInvoice(
    invoice: NewStripeInvoice,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoice>> {
    return await this.call(async (sdk) => {
      const created = await sdk.invoices.create(
        {
          auto_advance: false,
          collection_method: 'charge_automatically',
          pending_invoice_items_behavior: 'exclude',
          customer: invoice.customer,
          currency: invoice.currency,
          description: invoice.description,
          metadata: invoice.metadata,
        },
        { idempotencyKey },
      );
      return toInvoice(created);
    });
  }

  /** An item on a draft. */
  async createInvoiceItem(
    item: NewStripeInvoiceItem,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoiceItem>> {
    return await this.call(async (sdk) => {
      const created = await sdk.invoiceItems.create(
        {
          invoice: item.invoice,
          customer: item.customer,
          currency: item.currency,
          ...toLine(item),
        },
        { idempotencyKey },
      );
      return toItem(created);
    });
  }

  /**
   * Several lines on a draft by one call, in the draft's currency; each becomes an invoice item.
   *
   * @param lines at most MAX_LINES_PER_CALL
   * @returns all items on the draft then; null when there are more than the answer shows
   */
  async addLines(
    invoice: string,
    lines: readonly NewStripeLine[],
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoiceItem[] | null>> {
    return await this.call(async (sdk) => {
      const params = { lines: lines.map(toLine) };
      return itemsShown(await sdk.invoices.addLines(invoice, params, { idempotencyKey }));
    });
  }

  /**
   * Closes the draft and lets Stripe collect it.
   *
   * @returns also all that is on it; null when there is more than the answer shows
   */
  async finalizeInvoice(
    id: string,
    idempotencyKey: string,
  ): Promise<StripeResult<FinalizedInvoice>> {
    return await this.call(async (sdk) => {
      const params = { auto_advance: true };
      const finalized = await sdk.invoices.finalizeInvoice(id, params, { idempotencyKey });
      return { invoice: toInvoice(finalized), items: itemsShown(finalized) };
    });
  }

  /** The invoice as it is now; null when Stripe has none, or no longer. */
  async getInvoice(id: string): Promise<StripeResult<StripeInvoice | null>> {
    const result = await this.call(async (sdk) => await sdk.invoices.retrieve(id));
    if (result.outcome === 'rejected' && result.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    return mapResult(result, (invoice) => ('deleted' in invoice ? null : toInvoice(invoice)));
  }

  /** The same with all that is on it, mostly by one call: Stripe shows the first few items with the invoice. */
  async getInvoiceWithItems(id: string): Promise<
    StripeResult<{
      readonly invoice: StripeInvoice;
      readonly items: readonly StripeInvoiceItem[];
    } | null>
  > {
    const result = await this.call(async (sdk) => await sdk.invoices.retrieve(id));
    if (result.outcome === 'rejected' && result.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    if (result.outcome !== 'succeeded') {
      return result;
    }
    if ('deleted' in result.value) {
      return { outcome: 'succeeded', value: null };
    }
    const invoice = toInvoice(result.value);
    const shown = itemsShown(result.value);
    const items: StripeResult<StripeInvoiceItem[]> =
      shown === null ? await this.listInvoiceItems(id) : { outcome: 'succeeded', value: shown };
    return mapResult(items, (value) => ({ invoice, items: value }));
  }

  /** All invoices of a customer created at or after an instant; never by search, which lags. */
  async listInvoices(customer: string, createdSince: Date): Promise<StripeResult<StripeInvoice[]>> {
    const created = { gte: toSeconds(createdSince) };
    return await this.call(async (sdk) => {
      const invoices = await allPages(
        async (page) => await sdk.invoices.list({ customer, created, ...page }),
      );
      return invoices.map(toInvoice);
    });
  }

  /** All items on an invoice. Read from its lines, and where a line has no metadata from its item. */
  async listInvoiceItems(invoice: string): Promise<StripeResult<StripeInvoiceItem[]>> {
    return await this.call(async (sdk) => (await allLines(sdk, invoice)).map(toItemOfLine));
  }

  /** Whose key this is; null when the key may not ask that (restricted keys). */
  async getAccountId(): Promise<StripeResult<string | null>> {
    return await this.call(async (sdk) => {
      try {
        return (await sdk.accounts.retrieveCurrent()).id;
      } catch (error) {
        if (error instanceof Stripe.errors.StripePermissionError) {
          return null;
        }
        throw error;
      }
    });
  }

  /** One page of the events of some types created in `[from, to)`, newest first. */
  async listEvents(
    types: readonly string[],
    span: { readonly from: Date; readonly to: Date },
    after: string | null,
  ): Promise<StripeResult<StripeEventPage>> {
    return await this.call(async (sdk) => {
      const page = await sdk.events.list({
        types: [...types],
        created: { gte: toSeconds(span.from), lt: toSeconds(span.to) },
        limit: PAGE_SIZE,
        ...(after !== null && { starting_after: after }),
      });
      return {
        events: page.data.map((event) => JSON.stringify(event)),
        after: page.has_more ? (page.data.at(-1)?.id ?? null) : null,
      };
    });
  }

  /**
   * Whether one of the secrets signed these bytes at most 300 s before `now`
   * (docs.stripe.com/webhooks/signature). While a secret is rolled, two are in force.
   *
   * @returns null when it is right, else why it is not
   */
  signatureFault(body: Buffer, header: string, now: Date): string | null {
    let fault = 'no signing secret is configured (STRIPE_WEBHOOK_SECRETS)';
    for (const secret of this.config.stripe.webhookSecrets) {
      try {
        Stripe.webhooks.signature?.verifyHeader(
          body,
          header,
          secret,
          SIGNATURE_TOLERANCE_SECONDS,
          undefined,
          now.getTime(),
        );
        return null;
      } catch (error) {
        if (!(error instanceof Stripe.errors.StripeSignatureVerificationError)) {
          throw error;
        }
        fault = error.message.split('\n')[0]?.trim() ?? '';
      }
    }
    return fault;
  }

  /** Makes one call, outside any transaction; what went wrong comes back as a value. For clients of this folder. */
  async call<Value>(run: (sdk: Stripe) => Promise<Value>): Promise<StripeResult<Value>> {
    this.database.assertNoTransaction();
    if (this.sdk === null) {
      const message = 'No STRIPE_SECRET_KEY is configured.';
      return { outcome: 'unavailable', message, retryAfterMs: null };
    }
    try {
      return { outcome: 'succeeded', value: await run(this.sdk) };
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) {
        throw error;
      }
      return classify(toFault(error));
    }
  }
}

function createSdk(
  { secretKey, apiBase, timeoutMs }: Config['stripe'],
  httpClient: LimitedHttp,
): Stripe | null {
  if (secretKey === undefined) {
    return null;
  }
  const isPlain = apiBase?.protocol === 'http:';
  return new Stripe(secretKey, {
    timeout: timeoutMs,
    maxNetworkRetries: 0,
    telemetry: false,
    httpClient,
    ...(apiBase !== undefined && {
      host: apiBase.hostname,
      port: apiBase.port === '' ? defaultPort(isPlain) : Number(apiBase.port),
      protocol: isPlain ? 'http' : 'https',
    }),
  });
}

function defaultPort(isPlain: boolean): number {
  return isPlain ? HTTP_PORT : HTTPS_PORT;
}

function toFault(error: InstanceType<typeof Stripe.errors.StripeError>): StripeFault {
  return {
    status: error.statusCode,
    type: error.rawType,
    code: error.code,
    message: error.message,
    headers: error.headers ?? {},
  };
}

/** All lines of an invoice, each with the metadata of its item. */
export async function allLines(
  sdk: Stripe,
  invoice: string,
): Promise<readonly Stripe.InvoiceLineItem[]> {
  const lines = await allPages(
    async (page) => await sdk.invoices.listLineItems(invoice, { ...page }),
  );
  return await withMetadata(
    lines,
    async () => await allPages(async (page) => await sdk.invoiceItems.list({ invoice, ...page })),
  );
}

/** All pages of a list; throws when there are more than anything here should have. */
export async function allPages<Item extends { id?: string }>(
  fetchPage: (page: { limit: number; starting_after?: string }) => Promise<Listed<Item>>,
  maxPages = MAX_PAGES,
): Promise<Item[]> {
  const items: Item[] = [];
  for (let count = 0; count < maxPages; count += 1) {
    const after = items.at(-1)?.id;
    const page = await fetchPage({
      limit: PAGE_SIZE,
      ...(after !== undefined && { starting_after: after }),
    });
    items.push(...page.data);
    if (!page.has_more) {
      return items;
    }
  }
  throw new Error(`Stripe listed more than ${maxPages * PAGE_SIZE} objects`);
}
