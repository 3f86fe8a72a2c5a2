import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FaultOrder, isFaultKind } from './faults.js';
import { readRequest } from './request.js';
import type { StripeDouble } from './stripe-double.js';

export const CONTROL_PATH = '/_double/';

type Body = Record<string, unknown>;

class ControlError extends Error {}

/** The controls of a double over HTTP, for tests in another process. Bodies are JSON. */
export async function control(
  double: StripeDouble,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const request = await readRequest(message, 'control');
  const name = `${request.method} ${request.path.slice(CONTROL_PATH.length)}`;
  const [status, body] = await answer(double, name, request.body);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function answer(
  double: StripeDouble,
  name: string,
  text: string,
): Promise<[number, unknown]> {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    return [404, { error: `No control '${name}'.`, controls: Object.keys(ACTIONS) }];
  }
  try {
    const body: unknown = text === '' ? {} : JSON.parse(text);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new ControlError('The body must be a JSON object.');
    }
    return [200, (await action(double, body as Body)) ?? { ok: true }];
  } catch (error) {
    if (error instanceof ControlError || error instanceof SyntaxError) {
      return [400, { error: error.message }];
    }
    throw error;
  }
}

const ACTIONS: Record<string, (double: StripeDouble, body: Body) => unknown> = {
  'GET requests': (double) => double.requests(),
  'DELETE requests': (double) => double.clearRequests(),
  'GET faults': (double) => double.pendingFaults(),
  'POST faults': (double, body) => double.orderFault(faultIn(body)),
  'DELETE faults': (double) => double.clearFaults(),
  'GET webhooks': (double) => double.webhooks(),
  'POST webhooks': (double, body) => double.webhooks(settingsIn(body, double.webhooks())),
  'GET deliveries': (double) => double.deliveries(),
  'POST deliver': async (double) => await double.deliver(),
  'GET limits': (double) => double.limits(),
  'POST limits': (double, body) => double.limits(settingsIn(body, double.limits())),
  'GET concurrency': (double) => double.concurrency(),
  'DELETE concurrency': (double) => double.resetConcurrency(),
  'GET calls': (double) => double.calls(),
  'POST named': (double, body) => double.named(textIn(body, 'key')),
  'POST expire-idempotency-keys': async (double) => ({
    expired: await double.expireIdempotencyKeys(),
  }),
  'POST advance': async (double, body) => ({ advanced: await double.advance(idIn(body)) }),
  'POST events': async (double, body) =>
    await double.emit(textIn(body, 'type'), body['object'] ?? {}),
  'GET state': (double) => double.state(),
};

function faultIn(body: Body): FaultOrder {
  if (!isFaultKind(body['kind'])) {
    throw new ControlError(`No fault of kind '${String(body['kind'])}'.`);
  }
  if (body['kind'] === 'slow' && typeof body['delayMs'] !== 'number') {
    throw new ControlError("A fault of kind 'slow' needs a delayMs.");
  }
  return body as FaultOrder;
}

/** A change of settings: known names, each of the type its present value has. */
function settingsIn<T extends object>(body: Body, present: T): Partial<T> {
  for (const [name, value] of Object.entries(body)) {
    const known = (present as Body)[name];
    const isUrl = name === 'url' && (value === null || typeof value === 'string');
    const isList = Array.isArray(known) && Array.isArray(value);
    if (!Object.hasOwn(present, name) || !(isUrl || isList || typeof known === typeof value)) {
      throw new ControlError(`Unknown setting or wrong type: ${name}.`);
    }
  }
  return body as Partial<T>;
}

function idIn(body: Body): string | undefined {
  return body['invoice'] === undefined ? undefined : textIn(body, 'invoice');
}

function textIn(body: Body, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') {
    throw new ControlError(`Missing or not a text: ${name}.`);
  }
  return value;
}
