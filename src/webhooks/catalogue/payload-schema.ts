/* The JSON Schema of whole payloads, and whether a payload has it. Pure. */
import { MESSAGE_API_VERSION } from '../webhook-message.js';
import { CATALOGUE, isMessageType, type MessageType } from './catalogue.js';
import { faultsOf, just, type JsonSchema, object, optional, time, whole } from './shape.js';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

export interface PayloadSchema extends JsonSchema {
  readonly $schema: string;
  readonly title: string;
}

/** What an endpoint receives of a type: the envelope of Standard Webhooks with our fields, and `data`. */
export function payloadSchema(type: MessageType): PayloadSchema {
  const { description, data } = CATALOGUE[type];
  const envelope = object({
    type: just(type),
    timestamp: time('When what it tells happened.'),
    api_version: just(MESSAGE_API_VERSION),
    sequence: whole('Of two messages about one thing, the later has the larger.'),
    test: optional({ schema: { type: 'boolean', const: true, description: 'Only in tests.' } }),
    data: { schema: data.schema },
  });
  return { $schema: DIALECT, title: type, ...envelope.schema, description };
}

/** A payload as it could be sent. */
export function payloadExample(type: MessageType): Readonly<Record<string, unknown>> {
  return {
    type,
    timestamp: '2026-12-01T01:00:00.000Z',
    api_version: MESSAGE_API_VERSION,
    sequence: 17,
    data: CATALOGUE[type].example,
  };
}

/** What of the JSON text of a message is not as the catalogue says; none when all is. */
export function faultsOfBody(type: string, body: string): string[] {
  return isMessageType(type)
    ? faultsOf(payloadSchema(type), JSON.parse(body))
    : [`There is no type '${type}'`];
}
