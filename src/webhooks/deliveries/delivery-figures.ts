/* What operators watch of webhooks: counted as attempts end, or asked of the database when /metrics is read. */
import { Injectable } from '@nestjs/common';
import { type Counter, type Histogram } from 'prom-client';
import { Metrics } from '../../platform/http/metrics.js';
import { FiguresStore } from './figures.store.js';
import { type RecordedAttempt } from './recording.service.js';

const MS_PER_SECOND = 1_000;
/** In seconds; the longest deadline is 30. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];
/** In seconds; the usual schedule ends after some three days. */
const DELIVERY_BUCKETS = [0.1, 0.5, 1, 5, 30, 300, 3_600, 21_600, 86_400, 259_200];

@Injectable()
export class DeliveryFigures {
  private readonly attempts: Counter<'outcome' | 'error'>;
  private readonly durations: Histogram;
  private readonly delays: Histogram;

  constructor(metrics: Metrics, store: FiguresStore) {
    this.attempts = metrics.counter('meterline_webhook_attempts_total', 'Attempts of webhooks', [
      'outcome',
      'error',
    ]);
    this.durations = metrics.histogram(
      'meterline_webhook_attempt_seconds',
      'How long attempts of webhooks took',
      BUCKETS,
    );
    this.delays = metrics.histogram(
      'meterline_webhook_delivery_seconds',
      'How long webhook deliveries took from being queued until their receivers had taken them',
      DELIVERY_BUCKETS,
    );
    metrics.gauge(
      'meterline_webhook_due',
      'Webhook deliveries that are due and not under way, of each endpoint in use a thousand at most',
      async () => await store.countDue(),
    );
    metrics.gauge(
      'meterline_webhook_sending',
      'Webhook deliveries under way, of all replicas',
      async () => await store.countSending(),
    );
    metrics.gauge(
      'meterline_webhook_oldest_due_seconds',
      'How long the oldest webhook delivery is due of an endpoint that nothing holds; 0 when none is',
      async () => await store.oldestDueSeconds(),
    );
    metrics.gauge(
      'meterline_webhook_endpoints_failing',
      'Webhook endpoints in use whose last attempt failed',
      async () => await store.countFailing(),
    );
    metrics.gauge(
      'meterline_webhook_endpoints_held',
      'Webhook endpoints in use that are left alone for now, since they fail or ask for it',
      async () => await store.countHeld(),
    );
    metrics.gauge(
      'meterline_webhook_endpoints_disabled',
      'Webhook endpoints that are disabled',
      async () => await store.countDisabled(),
    );
  }

  count({ claim, result, state }: RecordedAttempt): void {
    const { outcome, error, durationMs } = result;
    this.attempts.inc({ outcome, error: error ?? 'none' });
    if (durationMs !== null) {
      this.durations.observe(durationMs / MS_PER_SECOND);
    }
    if (state === 'succeeded') {
      const waitedMs = Math.max(claim.startedAt.getTime() - claim.queuedAt.getTime(), 0);
      this.delays.observe((waitedMs + (durationMs ?? 0)) / MS_PER_SECOND);
    }
  }
}
