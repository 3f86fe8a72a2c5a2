/*
 * Late usage that is not billed by itself: kept while nobody has decided, then carried out. A decision is
 * one guarded statement, after which what was decided of never changes.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { type Decimal } from '../../kernel/decimal.js';
import { formatAmount, fromMinorUnits } from '../../kernel/money.js';
import { Database } from '../../platform/database/database.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type RatedAnew } from './adjusting.service.js';
import { totalOf } from './difference.js';
import { type Decided, isOpen, type LateUsage, type OpenState } from './late-usage.js';
import { LateUsageStore } from './late-usage.store.js';

@Injectable()
export class LateUsageService {
  constructor(
    private readonly store: LateUsageStore,
    private readonly plans: PlansReader,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Decides of late usage: to bill it, with the next period that closes, or never to.
   *
   * @param by the id of the API key
   * @param expected what the person saw that it comes to, in major units; null or left out: whatever it comes to now
   * @throws DomainError not_found; conflict `already_decided` when it was decided otherwise, and
   *   `amount_changed` when it comes to another amount
   */
  async decide(
    id: string,
    decided: Decided,
    { by, reason, expected = null }: { by: string; reason: string; expected?: Decimal | null },
  ): Promise<LateUsage> {
    return await this.database.transaction(async () => {
      const found = await this.store.find(id, 'for update');
      if (found === null) {
        throw notFound('late usage', id);
      }
      requireAmount(found, expected);
      if (!isOpen(found.state)) {
        if ((found.state === 'dismissed') === (decided === 'dismissed')) {
          return found;
        }
        throw conflict('already_decided', `The late usage '${id}' is ${found.state} already.`);
      }
      const decision = { at: this.clock.now(), by, reason };
      await this.store.decide(id, decided, decision);
      return { ...found, state: decided, decision, updatedAt: decision.at };
    });
  }

  /**
   * Keeps the differences of a period in place of what nobody has decided of so far; none: forgets that.
   * In the caller's transaction.
   */
  async keep(rated: RatedAnew, cutOffBatch: bigint): Promise<void> {
    const { period, currency, differences } = rated;
    const found = await this.store.claimOpen(period.id);
    if (differences.length === 0) {
      if (found !== null) {
        await this.store.deleteOpen(found.id);
      }
      return;
    }
    const { lateUsage } = await this.plans.version(period.planVersionId);
    const state: OpenState = lateUsage === 'hold' ? 'held' : 'unbilled';
    const now = this.clock.now();
    const late = {
      id: found?.id ?? newId('late'),
      customerId: period.subscription.customerId,
      subscriptionId: period.subscription.id,
      billingPeriodId: period.id,
      state,
      cutOffBatch,
      currency,
      amountMinor: totalOf(differences),
      lines: differences,
      decision: null,
      createdAt: found?.createdAt ?? now,
      updatedAt: now,
    };
    if (found !== null) {
      await this.store.update(late);
      return;
    }
    await this.store.insert(late);
    if (state === 'held') {
      await this.tell(late);
    }
  }

  private async tell(late: Omit<LateUsage, 'ownershipNumber'>): Promise<void> {
    const customer = await this.customers.get(late.customerId);
    await this.webhooks.publish({
      type: 'late_usage.held',
      occurredAt: late.createdAt,
      data: {
        late_usage: late.id,
        billing_period: late.billingPeriodId,
        subscription: late.subscriptionId,
        customer: customer.key,
        amount: formatAmount(late.amountMinor, late.currency),
        amount_minor: Number(late.amountMinor),
        currency: late.currency,
      },
    });
  }
}

function requireAmount({ amountMinor, currency }: LateUsage, expected: Decimal | null): void {
  if (expected !== null && !expected.eq(fromMinorUnits(amountMinor, currency))) {
    const amount = formatAmount(amountMinor, currency);
    throw conflict('amount_changed', `It comes to ${amount} ${currency} by now.`, [
      { field: 'expected_amount', code: 'amount_changed', detail: `is ${amount} by now` },
    ]);
  }
}
