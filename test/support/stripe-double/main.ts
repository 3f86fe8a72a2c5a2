import { parseArgs } from 'node:util';
import { startStripeDouble } from './stripe-double.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'webhook-url': { type: 'string' },
    'webhook-secret': { type: 'string', multiple: true, default: [] },
    state: { type: 'string' },
    'latency-ms': { type: 'string', default: '0' },
  },
});

const double = await startStripeDouble({
  port: Number(values.port),
  stateFile: values.state,
  webhooks: { url: values['webhook-url'] ?? null, secrets: values['webhook-secret'] },
  limits: { latencyMs: Number(values['latency-ms']) },
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    double.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

process.stdout.write(`${JSON.stringify({ url: double.url })}\n`);
