/*
 * Says which meters of ours are sent to which of Stripe's, and looks at Stripe whether that can be: never in
 * the request that asks for it, but when the first event is due.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { StripeMetersService } from '../../stripe/stripe-meters.service.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { type MeterLink, type UsableMeter } from './meter-link.js';
import { MeterLinksStore } from './meter-links.store.js';

/** How long a look that found nothing is believed. */
const LOOK_AGAIN_MS = 300_000;

/** A link with the meter that it names. */
export interface NamedMeterLink {
  readonly link: MeterLink;
  readonly meter: Meter;
}

@Injectable()
export class MeterLinksService {
  constructor(
    private readonly store: MeterLinksStore,
    private readonly meters: MetersReader,
    private readonly stripeMeters: StripeMetersService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets a meter be sent to Stripe's meter of a name.
   *
   * @throws DomainError invalid when there is no such meter; conflict `stripe_meter_taken`
   */
  async create(idOrKey: string, eventName: string): Promise<NamedMeterLink> {
    const meter = await this.meters.find(idOrKey);
    if (meter === null) {
      throw invalidField('meter', 'unknown_meter', `there is no meter '${idOrKey}'`);
    }
    const now = this.clock.now();
    await this.store.insert(meter.id, eventName, now);
    const link = { meterId: meter.id, eventName, found: null, failure: null, lookedAt: null };
    return { link: { ...link, createdAt: now }, meter };
  }

  /** All links, by the name at Stripe. */
  async list(): Promise<NamedMeterLink[]> {
    const links = await this.store.list();
    const meters = await this.meters.byIds(links.map(({ meterId }) => meterId));
    return links.flatMap((link) => {
      const meter = meters.get(link.meterId);
      return meter === undefined ? [] : [{ link, meter }];
    });
  }

  /** From now on the meter is sent nowhere; what was sent stays. Throws not_found. */
  async delete(idOrKey: string): Promise<void> {
    const meter = await this.meters.get(idOrKey);
    if (!(await this.store.delete(meter.id))) {
      throw notFound('Stripe meter of', idOrKey);
    }
  }

  /** How to send usage of a meter, looked up at Stripe if it is not known yet. Outside any transaction. */
  async usable(meterId: string): Promise<UsableMeter> {
    const link = await this.store.find(meterId);
    if (link === null) {
      return refused('The meter is not sent to Stripe (POST /stripe-meters).');
    }
    const known = link.found === null ? await this.look(link) : link;
    if (known.found === null) {
      return refused(known.failure ?? 'Stripe was not asked for the meter yet.');
    }
    const account = await this.stripe.accountId();
    if (account.outcome !== 'succeeded') {
      return refused(account.message);
    }
    const { accountId } = known.found;
    return accountId === null || account.value === null || accountId === account.value
      ? { isUsable: true, eventName: link.eventName, at: known.found }
      : refused(
          `Stripe's meter is in the account ${accountId}, but STRIPE_SECRET_KEY is a key of ${account.value}.`,
        );
  }

  private async look(link: MeterLink): Promise<MeterLink> {
    const now = this.clock.now();
    const isFresh =
      link.lookedAt !== null && now.getTime() - link.lookedAt.getTime() < LOOK_AGAIN_MS;
    if (isFresh && link.failure !== null) {
      return link;
    }
    const asked = await this.stripeMeters.findMeter(link.eventName);
    const account = asked.outcome === 'succeeded' ? await this.stripe.accountId() : asked;
    if (asked.outcome !== 'succeeded' || account.outcome !== 'succeeded') {
      // That Stripe could not be asked says nothing of the meter, and is not kept.
      return { ...link, failure: account.outcome === 'succeeded' ? null : account.message };
    }
    const meter = asked.value;
    const failure =
      meter === null
        ? `Stripe has no active meter with the event name '${link.eventName}'.`
        : formulaFault(meter.formula);
    const found =
      meter === null || failure !== null
        ? null
        : {
            stripeMeterId: meter.id,
            customerKey: meter.customerKey,
            valueKey: meter.valueKey,
            accountId: account.value,
          };
    await this.store.recordLook(link.meterId, { found, failure }, now);
    return { ...link, found, failure, lookedAt: now };
  }
}

/** Differences are sent, so Stripe has to add them up. */
function formulaFault(formula: string): string | null {
  return formula === 'sum'
    ? null
    : `Stripe's meter makes its figure by '${formula}'; differences are sent, which only 'sum' adds up.`;
}

function refused(reason: string): UsableMeter {
  return { isUsable: false, reason };
}
