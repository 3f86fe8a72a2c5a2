/* What `webhooks` tells of itself. */
import { define } from './message-definition.js';
import { id, object } from './shape.js';

export const WEBHOOK_MESSAGES = {
  'webhook.test': define({
    description: 'Somebody asked for a test of the endpoint.',
    data: object({ endpoint: id('we') }),
    example: { endpoint: 'we_01kgn5y5w8e1qav2b6xmyd3n54' },
  }),
};
