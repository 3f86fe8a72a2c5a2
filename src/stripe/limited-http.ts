/*
 * The SDK's own HTTP client behind our limiter, so that no call, no page of a list and no repetition of
 * the SDK's can pass it by. What may not go now is answered as Stripe would, by a 429, without being sent.
 */
import { Stripe } from 'stripe';
import { type RateLimiterService } from './rate-limiter.service.js';
import { endpointOf } from './rate-limits.js';

const TOO_MANY_REQUESTS = 429;
const REASON = 'stripe-rate-limited-reason';
const SECOND_MS = 1_000;

type Request = Parameters<InstanceType<typeof Stripe.HttpClient>['makeRequest']>;
type Response = Awaited<ReturnType<InstanceType<typeof Stripe.HttpClient>['makeRequest']>>;

/** Asks the limiter before each request, and tells it of each 429. */
export class LimitedHttp extends Stripe.HttpClient {
  private readonly inner = Stripe.createNodeHttpClient();

  constructor(private readonly limiter: RateLimiterService) {
    super();
  }

  override getClientName(): string {
    return this.inner.getClientName();
  }

  override async makeRequest(...request: Request): Promise<Response> {
    const [, , path, method] = request;
    const endpoint = endpointOf(method, path);
    const admission = await this.limiter.admit(endpoint);
    if (!admission.isAdmitted) {
      return new NotSent(admission.retryAfterMs);
    }
    const response = await this.inner.makeRequest(...request);
    if (response.getStatusCode() === TOO_MANY_REQUESTS) {
      const reason: unknown = response.getHeaders()[REASON];
      await this.limiter.heed(endpoint, typeof reason === 'string' ? reason : undefined);
    }
    return response;
  }
}

/** Our own answer in Stripe's place. */
class NotSent extends Stripe.HttpClientResponse {
  constructor(retryAfterMs: number) {
    super(TOO_MANY_REQUESTS, { 'retry-after': String(Math.ceil(retryAfterMs / SECOND_MS)) });
  }

  override getRawResponse(): object {
    return {};
  }

  override toJSON(): Promise<unknown> {
    const message = 'Not sent: Stripe is being called as often as its limits allow already.';
    return Promise.resolve({
      error: { type: 'invalid_request_error', code: 'rate_limit', message },
    });
  }
}
