/*
 * What attempts mean for their endpoints: how these fare, when they are disabled, and what is told of
 * it. Part of the transaction that records the attempts.
 */
import { Injectable } from '@nestjs/common';
import { afterAttempt, DISABLE_AFTER_MS, type HealthNews } from '../endpoints/endpoint-health.js';
import { type FaringEndpoint, HealthStore } from '../endpoints/health.store.js';
import { type DisabledReason } from '../endpoints/webhook-endpoint.js';
import { type MessageData } from '../catalogue/catalogue.js';
import { WebhooksService } from '../webhooks.service.js';
import { type Attempted, atFormerUrl, type JudgedAttempt } from './settlement.js';

@Injectable()
export class FollowUpService {
  constructor(
    private readonly health: HealthStore,
    private readonly webhooks: WebhooksService,
  ) {}

  /** What attempts say that failed, or asked for no more, at a URL that their endpoint has left meanwhile. */
  async readAnew(attempts: readonly Attempted[]): Promise<readonly Attempted[]> {
    const inDoubt = attempts.filter(
      ({ claim, judged }) => claim.url !== null && !isPlainSuccess(judged),
    );
    if (inDoubt.length === 0) {
      return attempts;
    }
    const places = await this.health.findMoved(inDoubt.map(({ claim }) => claim));
    const moved = new Set(inDoubt.filter((_, place) => places.has(place)));
    return attempts.map((one) =>
      moved.has(one) ? { ...one, judged: atFormerUrl(one.judged) } : one,
    );
  }

  /** Follows attempts in their order. Locks the endpoints that it changes. */
  async follow(attempts: readonly Attempted[], now: Date): Promise<void> {
    const telling = attempts.filter(({ judged }) => judged.isTelling);
    const idsOf = (isSuccess: boolean): string[] => [
      ...new Set(
        telling
          .filter(({ judged }) => (judged.result.outcome === 'succeeded') === isSuccess)
          .map(({ claim }) => claim.endpointId),
      ),
    ];
    const before = await this.health.lockChanging(idsOf(false), idsOf(true));
    const faring = before.map((endpoint) => followed(endpoint, telling, now));
    if (faring.length > 0) {
      await this.health.save(faring.map(({ endpoint }) => endpoint));
    }
    for (const { endpoint, news } of faring) {
      for (const one of news) {
        await this.tell(endpoint, one, now);
      }
    }
    for (const { claim, judged } of telling) {
      if (judged.disables !== null) {
        const endpoint = { id: claim.endpointId, url: claim.url ?? '' };
        await this.disable(endpoint, judged.disables, now, null);
      }
    }
  }

  private async tell(endpoint: FaringEndpoint, news: HealthNews, now: Date): Promise<void> {
    const { failing } = endpoint.health;
    if (news === 'disable') {
      await this.disable(endpoint, 'failing', now, endpoint);
    } else if (news === 'recovered') {
      await this.webhooks.publish({
        type: 'webhook_endpoint.recovered',
        data: { endpoint: endpoint.id, url: endpoint.url },
        occurredAt: now,
      });
    } else if (failing !== null) {
      const disablesAt = new Date(failing.since.getTime() + DISABLE_AFTER_MS);
      await this.webhooks.publish({
        type: 'webhook_endpoint.failing',
        data: {
          ...failingData(endpoint),
          percent: failing.warnedPercent,
          disables_at: disablesAt.toISOString(),
        },
        occurredAt: now,
      });
    }
  }

  /** Ends the use of an endpoint and tells the others; nothing when it is disabled already. */
  private async disable(
    { id, url }: Pick<FaringEndpoint, 'id' | 'url'>,
    reason: DisabledReason,
    now: Date,
    endpoint: FaringEndpoint | null,
  ): Promise<void> {
    if (await this.health.disable(id, reason, url, now)) {
      await this.webhooks.publish({
        type: 'webhook_endpoint.disabled',
        data: {
          ...(endpoint === null ? { endpoint: id } : failingData(endpoint)),
          reason,
          disabled_at: now.toISOString(),
        },
        occurredAt: now,
      });
    }
  }
}

function isPlainSuccess({ result, disables }: JudgedAttempt): boolean {
  return result.outcome === 'succeeded' && disables === null;
}

function failingData({
  id,
  url,
  health,
}: FaringEndpoint): Omit<MessageData<'webhook_endpoint.failing'>, 'percent' | 'disables_at'> {
  return {
    endpoint: id,
    url,
    failing_since: health.failing?.since.toISOString() ?? null,
    failures: health.failing?.count ?? 0,
  };
}

function followed(
  endpoint: FaringEndpoint,
  attempts: readonly Attempted[],
  now: Date,
): { readonly endpoint: FaringEndpoint; readonly news: readonly HealthNews[] } {
  const news: HealthNews[] = [];
  let { health } = endpoint;
  for (const { claim, judged } of attempts) {
    if (claim.endpointId === endpoint.id && claim.url === endpoint.url) {
      const { outcome, status } = judged.result;
      const sign = {
        isSuccess: outcome === 'succeeded',
        status,
        retryAfterMs: judged.retryAfterMs,
      };
      const after = afterAttempt(health, sign, now);
      health = after.health;
      news.push(...(after.news === null ? [] : [after.news]));
    }
  }
  return { endpoint: { ...endpoint, health }, news };
}
