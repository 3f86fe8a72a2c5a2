import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { API_VERSION } from './account.js';
import { invalid, StripeError } from './errors.js';

/** A request as received; parameters are still text. */
export interface ApiRequest {
  id: string;
  method: string;
  path: string;
  query: string;
  body: string;
  headers: IncomingHttpHeaders;
}

/** Far above any request of the API, so that a mistake cannot fill the memory. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;

export async function readRequest(message: IncomingMessage, id: string): Promise<ApiRequest> {
  const [path = '', query = ''] = (message.url ?? '').split('?', 2);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) {
      chunks.push(chunk);
    }
  }
  const body = Buffer.concat(chunks).toString('utf8');
  return { id, method: message.method ?? 'GET', path, query, body, headers: message.headers };
}

/** Stripe's check of the key: a Bearer token, or the user name of Basic, of a test mode key. */
export function authenticate({ headers }: ApiRequest): void {
  const key = keyIn(headers.authorization ?? '');
  if (key === undefined || key === '') {
    throw new StripeError(
      401,
      'You did not provide an API key. You need to provide your API key in the Authorization ' +
        "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See " +
        'https://stripe.com/docs/api#authentication for details, or we can help at ' +
        'https://support.stripe.com/.',
    );
  }
  if (!/^(sk|rk)_test_\w+$/.test(key)) {
    const shown = `${key.slice(0, 8)}${'*'.repeat(Math.max(0, key.length - 12))}${key.slice(-4)}`;
    throw new StripeError(401, `Invalid API Key provided: ${shown}`);
  }
}

function keyIn(authorization: string): string | undefined {
  const [scheme, credentials = ''] = authorization.split(' ', 2);
  if (scheme?.toLowerCase() === 'basic') {
    return Buffer.from(credentials, 'base64').toString('utf8').split(':')[0];
  }
  return scheme?.toLowerCase() === 'bearer' ? credentials : undefined;
}

/** Only one version's shapes are spoken; another is refused rather than answered wrongly. */
export function checkVersion({ headers }: ApiRequest): void {
  const version = headers['stripe-version'];
  if (version !== undefined && version !== API_VERSION) {
    throw invalid(
      `Invalid Stripe API version: ${String(version)}. The Stripe double speaks ${API_VERSION} only.`,
    );
  }
}

export function checkContentType({ method, body, headers }: ApiRequest): void {
  const type = headers['content-type'] ?? '';
  if (method === 'POST' && body !== '' && !type.startsWith('application/x-www-form-urlencoded')) {
    throw invalid(
      'Invalid request (check that your POST content type is application/x-www-form-urlencoded). ' +
        'If you have any questions, we can help at https://support.stripe.com/.',
    );
  }
}

export function unrecognized({ method, path }: ApiRequest): StripeError {
  return new StripeError(
    404,
    `Unrecognized request URL (${method}: ${path}). Please see https://stripe.com/docs or we can ` +
      'help at https://support.stripe.com/.',
  );
}
