/*
 * Looks at Stripe for the subscription that a request names, before the request is handled: a POST with
 * an Idempotency-Key is handled in one transaction, in which nobody outside may be asked. It refuses
 * nothing itself; what it saw is judged with the rest of the request.
 */
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { type SubscriptionSighting } from '../../stripe/stripe-subscription.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { StripeSubscriptionsService } from '../../stripe/subscriptions.service.js';
import { isStripeSubscriptionId } from './subscription.js';

interface SightedRequest {
  readonly body?: { readonly billing?: { readonly stripe_subscription?: unknown } };
  stripeSubscription?: SubscriptionSighting;
}

@Injectable()
export class StripeSubscriptionGuard implements CanActivate {
  constructor(
    private readonly subscriptions: StripeSubscriptionsService,
    private readonly stripe: StripeService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<SightedRequest>();
    const id = request.body?.billing?.stripe_subscription;
    if (isStripeSubscriptionId(id)) {
      request.stripeSubscription = await this.sight(id);
    }
    return true;
  }

  private async sight(id: string): Promise<SubscriptionSighting> {
    const found = await this.subscriptions.get(id);
    if (found.outcome !== 'succeeded') {
      return { kind: 'not_seen' };
    }
    if (found.value === null) {
      return { kind: 'missing' };
    }
    // Under a key of another account it will look as if it had never been.
    const account = await this.stripe.accountId();
    const stripeAccountId = account.outcome === 'succeeded' ? account.value : null;
    return { kind: 'present', subscription: found.value, stripeAccountId };
  }
}

/** What the guard saw of the subscription at Stripe that the body names. */
export const SightedSubscription = createParamDecorator(
  (_: unknown, context: ExecutionContext): SubscriptionSighting =>
    context.switchToHttp().getRequest<SightedRequest>().stripeSubscription ?? { kind: 'not_seen' },
);
