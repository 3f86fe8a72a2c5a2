/*
 * The messages between two places that a replay is to bring to its endpoint: no test, none that is for
 * another endpoint alone, and none that is under way there already.
 */
import { type Replay } from './replay.js';

/** That the endpoint has a delivery of the message in one of these states. */
const delivered = (states: string): string => `EXISTS (
      SELECT 1
      FROM webhook_deliveries d
      WHERE d.message_id = m.id AND d.endpoint_id = $1 AND d.state IN (${states}))`;

/** Selects `id` and `position` of messages `m` behind `after`, up to and with `upTo`. */
export function selectWanted(
  { endpointId, selection }: Replay,
  after: bigint,
  upTo: bigint,
): { readonly sql: string; readonly parameters: readonly unknown[] } {
  const parameters: unknown[] = [endpointId, after, upTo];
  const conditions = [
    'm.position > $2',
    'm.position <= $3',
    'NOT m.is_test',
    '(m.endpoint_id IS NULL OR m.endpoint_id = $1)',
    `NOT ${delivered("'pending', 'sending'")}`,
  ];
  const add = (condition: (name: string) => string, value: unknown): void => {
    if (value !== null) {
      parameters.push(value);
      conditions.push(condition(`$${parameters.length}`));
    }
  };
  if (selection.scope !== 'all') {
    conditions.push(`NOT ${delivered("'succeeded'")}`);
  }
  if (selection.scope === 'failed') {
    conditions.push(delivered("'failed'"));
  }
  add((name) => `m.id = ANY (${name}::text[])`, selection.messageIds);
  add(
    (name) => `m.type = ANY (${name}::text[])`,
    selection.types.length > 0 ? selection.types : null,
  );
  add((name) => `m.customer = ${name}`, selection.customer);
  add((name) => `m.created_at >= ${name}`, selection.from);
  add((name) => `m.created_at < ${name}`, selection.to);
  const sql = `
    SELECT m.id, m.position
    FROM webhook_messages m
    WHERE ${conditions.join(' AND ')}`;
  return { sql, parameters };
}
