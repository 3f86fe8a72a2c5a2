/* Subscriptions that began months ago, made while everything dies: each must close each of its periods once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_KEY } from '../support/service-process.js';
import { type SoakSender } from './senders.js';
import { type Tally } from './tally.js';

const REST_MS = 500;
const RETRY_MS = 100;
const TIMEOUT_MS = 60_000;
const MONTHS_BACK = 3;

export const PLAN = {
  ...{ key: 'soak', name: 'Soak', currency: 'usd', interval: 'month', grace_seconds: 0 },
  prices: [{ key: 'base', kind: 'flat', amount: '49.00' }],
};

/** Makes one customer with one subscription after another; one whose answer was lost is asked for again. */
export function startSubscribing(tally: Tally, urls: () => readonly string[]): SoakSender {
  const state = { isStopped: false, isAbandoned: false };
  let tries = 0;
  const post = async (path: string, name: string, body: object): Promise<void> => {
    while (!state.isAbandoned) {
      const list = urls();
      const status = await postOnce(`${list[(tries += 1) % list.length]}${path}`, name, body);
      tally.answered(status);
      if (status === '201') {
        return;
      }
      if (status !== '503' && status !== 'cut') {
        tally.fault(`POST ${path} was answered ${status}`);
        return;
      }
      await sleep(RETRY_MS);
    }
  };
  const running = (async () => {
    for (let number = 0; !state.isStopped; number += 1) {
      const customer = `customer-${number}`;
      await post('/api/v1/customers', customer, {
        ...{ key: customer, name: customer, currency: 'usd' },
      });
      await post('/api/v1/subscriptions', customer, {
        ...{ customer, plan: PLAN.key, starts_at: monthsAgo(MONTHS_BACK) },
      });
      tally.subscriptions += 1;
      await sleep(REST_MS);
    }
  })();
  running.catch(() => undefined);
  return {
    stop: async () => {
      state.isStopped = true;
      await running;
    },
    abandon: () => {
      state.isStopped = true;
      state.isAbandoned = true;
    },
  };
}

async function postOnce(url: string, name: string, body: object): Promise<string> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        'content-type': 'application/json',
        'idempotency-key': `${new URL(url).pathname} ${name}`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return String(response.status);
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'no answer' : 'cut';
  }
}

/** The first of a month, so that a retry a second later says the same. */
function monthsAgo(count: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1)).toISOString();
}

/** Periods of each subscription that are over by now. */
export const PERIODS_OVER = MONTHS_BACK;
