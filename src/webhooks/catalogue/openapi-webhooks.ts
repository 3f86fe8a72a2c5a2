/* The catalogue as `webhooks` of OpenAPI 3.1 (OpenAPI Object, "webhooks"), which receivers can be generated from. Pure. */
import { CATALOGUE, MESSAGE_TYPE_NAMES, type MessageType } from './catalogue.js';
import { payloadExample, payloadSchema } from './payload-schema.js';

const HEADERS: readonly (readonly [name: string, description: string])[] = [
  ['webhook-id', 'The id of the message, the same at every attempt: drop what was seen before.'],
  ['webhook-timestamp', 'When this attempt was made, in seconds since 1970.'],
  ['webhook-signature', 'Signatures of Standard Webhooks, separated by spaces.'],
];

/** For each type what an endpoint is sent, and how it is to answer. */
export function openApiWebhooks(tag: string): Readonly<Record<string, object>> {
  return Object.fromEntries(
    MESSAGE_TYPE_NAMES.map((type) => [type, { post: operationOf(type, tag) }]),
  );
}

function operationOf(type: MessageType, tag: string): object {
  const { $schema: _, ...schema } = payloadSchema(type);
  return {
    operationId: `webhook_${type.replaceAll(/[._](\w)/g, (__, letter: string) => letter.toUpperCase())}`,
    summary: CATALOGUE[type].description,
    tags: [tag],
    security: [],
    parameters: HEADERS.map(([name, description]) => ({
      name,
      in: 'header',
      required: true,
      description,
      schema: { type: 'string' },
    })),
    requestBody: {
      required: true,
      content: { 'application/json': { schema, example: payloadExample(type) } },
    },
    responses: {
      '2XX': { description: 'The message has been taken.' },
      '410': { description: 'Send nothing more: the endpoint is disabled.' },
      default: { description: 'It is sent again later.' },
    },
  };
}
