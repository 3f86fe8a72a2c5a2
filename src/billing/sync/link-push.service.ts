/*
 * Carries out links of customers to Stripe, under the customer's lease. A customer is created as
 * everything is: committed as sent before it is sent, and looked for before it is sent again.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { Clock } from '../../kernel/clock.js';
import { DomainError } from '../../kernel/errors.js';
import { Log } from '../../platform/log.js';
import { type StripeCustomer } from '../../stripe/stripe-object.js';
import { mapResult, type StripeFailure, type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import {
  CUSTOMER_METADATA,
  type Link,
  type LinkFailure,
  linkFault,
} from '../customer-links/link.js';
import { LinksService } from '../customer-links/links.service.js';
import { LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { idempotencyKey, mayBeSent, nextStep, retryAt } from './sync.js';

/** Our clock and Stripe's may disagree, but not by this much. */
const SKEW_MS = 300_000;

@Injectable()
export class LinkPushService {
  constructor(
    private readonly links: LinksService,
    private readonly leases: LeasesService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Links the customer as far as it goes now, if that is due; throws LeaseLost. */
  async push(lease: Lease): Promise<void> {
    const due = await this.links.due(lease.customerId);
    if (due === null) {
      return;
    }
    const { link, customer } = due;
    await this.leases.renew(lease);
    const account = await this.stripe.accountId();
    const found = account.outcome === 'succeeded' ? await this.look(link, customer) : account;
    if (found.outcome !== 'succeeded') {
      await this.settle(lease, link, found, false);
      return;
    }
    const next = nextStep(link, found.value.length, this.clock.now());
    if (link.wish.how === 'create' && next.step === 'send') {
      await this.create(lease, { link, customer }, next.generation);
    } else {
      await this.keep(lease, { link, customer }, found.value);
    }
  }

  /** All that Stripe has of the customer. Outside any transaction. */
  private async look(link: Link, customer: Customer): Promise<StripeResult<StripeCustomer[]>> {
    const { wish, firstSentAt } = link;
    if (wish.how === 'id') {
      const found = await this.stripe.getCustomer(wish.stripeCustomerId);
      return mapResult(found, (one) => (one === null ? [] : [one]));
    }
    if (firstSentAt === null || !mayBeSent(link)) {
      return await this.stripe.searchCustomers(CUSTOMER_METADATA, [customer.id, customer.key]);
    }
    // What was created a moment ago is not found by searching.
    const span = {
      from: new Date(firstSentAt.getTime() - SKEW_MS),
      to: new Date(this.clock.now().getTime() + SKEW_MS),
    };
    const listed = await this.stripe.listCustomers(span);
    return mapResult(listed, (all) =>
      all.filter(({ metadata }) => metadata[CUSTOMER_METADATA] === customer.id),
    );
  }

  private async create(
    lease: Lease,
    { link, customer }: { readonly link: Link; readonly customer: Customer },
    generation: number,
  ): Promise<void> {
    await this.leases.holdingOn(lease, async () => {
      await this.links.markSent(link, generation, this.clock.now());
    });
    const result = await this.stripe.createCustomer(
      {
        name: customer.name,
        email: customer.email,
        metadata: { [CUSTOMER_METADATA]: customer.id },
      },
      idempotencyKey({ id: link.id, generation }),
    );
    if (result.outcome === 'succeeded') {
      await this.keep(lease, { link, customer }, [result.value]);
    } else {
      const isKeySpent = result.outcome === 'unknown' && result.isKeySpent;
      await this.settle(lease, link, result, isKeySpent);
    }
  }

  private async keep(
    lease: Lease,
    { link, customer }: { readonly link: Link; readonly customer: Customer },
    found: readonly StripeCustomer[],
  ): Promise<void> {
    const now = this.clock.now();
    const at = {
      stripeCustomerId: found[0]?.id ?? '',
      stripeAccountId: this.stripe.knownAccountId,
    };
    const fault =
      linkFault(found, customer, link.wish) ?? (await this.record(lease, link, { ...at, now }));
    if (fault !== null) {
      await this.leases.holding(lease, async () => {
        await this.links.fail(link, fault, now);
      });
    }
    this.tell(link, fault?.code ?? 'linked');
  }

  private async record(
    lease: Lease,
    link: Link,
    { now, ...at }: { stripeCustomerId: string; stripeAccountId: string | null; now: Date },
  ): Promise<LinkFailure | null> {
    try {
      await this.leases.holding(lease, async () => {
        await this.links.succeed(link, at, now);
      });
      return null;
    } catch (error) {
      if (error instanceof DomainError && error.kind === 'conflict') {
        return { code: 'taken', message: error.message };
      }
      throw error;
    }
  }

  /** A failed call: refused for good, or tried again later. */
  private async settle(
    lease: Lease,
    link: Link,
    failure: StripeFailure,
    isKeySpent: boolean,
  ): Promise<void> {
    const now = this.clock.now();
    const error = failure.message;
    await this.leases.holding(lease, async () => {
      if (failure.outcome === 'rejected') {
        await this.links.fail(link, { code: 'rejected', message: error }, now);
        return;
      }
      const random = Math.random();
      const nextAttemptAt = retryAt(failure, link.attemptCount + 1, { now, random });
      await this.links.postpone(link, { error, isKeySpent, nextAttemptAt, now });
    });
    this.tell(link, failure.outcome);
  }

  private tell(link: Link, outcome: string): void {
    const { id, customerId, wish } = link;
    this.log.event('customer_link.attempted', {
      customer_link: id,
      customer: customerId,
      how: wish.how,
      outcome,
    });
  }
}
