/* What `webhooks` tells of itself. */
import { define } from './message-definition.js';
import { id, object, oneOf, optional, orNull, text, time, whole } from './shape.js';

const FAILING = {
  endpoint: id('we'),
  url: text(),
  failing_since: orNull(time('Since when nothing but failures came of attempts.')),
  failures: whole('How many since then.'),
};

const exampleFailing = {
  endpoint: 'we_01kgn5y5w8e1qav2b6xmyd3n54',
  url: 'https://example.com/hooks',
  failing_since: '2026-11-16T10:00:00.000Z',
  failures: 9,
};

export const WEBHOOK_MESSAGES = {
  'webhook.test': define({
    description: 'Somebody asked for a test of the endpoint.',
    data: object({ endpoint: id('we') }),
    example: { endpoint: 'we_01kgn5y5w8e1qav2b6xmyd3n54' },
  }),
  'webhook_endpoint.disabled': define({
    description:
      'A webhook endpoint was disabled by its receiver, or since it did nothing but fail.',
    data: object({
      endpoint: FAILING.endpoint,
      url: optional(FAILING.url),
      failing_since: optional(FAILING.failing_since),
      failures: optional(FAILING.failures),
      reason: oneOf(['requested', 'gone', 'receiver', 'failing']),
      disabled_at: time(),
    }),
    example: { ...exampleFailing, reason: 'failing', disabled_at: '2026-11-21T10:00:00.000Z' },
  }),
  'webhook_endpoint.failing': define({
    description: 'A webhook endpoint fails, and is disabled when it goes on like that.',
    data: object({
      ...FAILING,
      percent: whole('Of the way to being disabled: 50, 75 or 90.'),
      disables_at: time(),
    }),
    example: { ...exampleFailing, percent: 50, disables_at: '2026-11-21T10:00:00.000Z' },
  }),
  'webhook_endpoint.recovered': define({
    description: 'A webhook endpoint that was told to be failing works again.',
    data: object({ endpoint: FAILING.endpoint, url: FAILING.url }),
    example: { endpoint: exampleFailing.endpoint, url: exampleFailing.url },
  }),
};
