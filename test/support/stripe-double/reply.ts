import type { StripeError } from './errors.js';
import type { Fault } from './faults.js';

/** An HTTP answer before it is sent. */
export interface Reply {
  status: number;
  body: string;
  headers: Record<string, string>;
  replayed: boolean;
}

/** Stripe indents its bodies by two. */
export function jsonReply(
  status: number,
  body: object,
  headers: Record<string, string> = {},
): Reply {
  return { status, body: JSON.stringify(body, null, 2), headers, replayed: false };
}

export function errorReply(error: StripeError, requestId: string, seconds: number): Reply {
  return jsonReply(error.status, error.body(requestId, seconds), error.headers);
}

/** What something between the caller and Stripe answers by itself; undefined when nothing does. */
export function replyInBetween(fault: Fault | undefined): Reply | undefined {
  if (fault?.kind === 'html_503') {
    return {
      status: 503,
      body: '<html><body><h1>503 Service Unavailable</h1></body></html>\n',
      headers: { 'content-type': 'text/html' },
      replayed: false,
    };
  }
  return fault?.kind === 'foreign_200' ? jsonReply(200, { status: 'ok' }) : undefined;
}
