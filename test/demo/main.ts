/*
 * npm run demo [-- FILE] [--keep]: from a gateway's access log to paid invoices. Everything is done
 * through the public REST API, and each figure of the report is read back through it. Stripe is a
 * local double, or Stripe itself when STRIPE_SECRET_KEY holds a test key.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stripe } from 'stripe';
import { Api, until } from '../support/api.js';
import { interruption } from '../support/interruption.js';
import { Mistake } from '../support/mistake.js';
import { readNginxLog } from './nginx-log.js';
import { startMeterline, startReceiver, startStripe, stopAll } from './processes.js';
import { print, printReport } from './report.js';
import { configure, subscribe } from './story.js';

const SAMPLE = fileURLToPath(new URL('nginx-access.log', import.meta.url));
const EVENTS_PER_REQUEST = 500;
/** The sample stays billable however old it gets. */
const MAX_AGE_SECONDS = 10 * 365 * 86_400;

const options = process.argv.slice(2);
const isKept = options.includes('--keep');
const dataDir = path.resolve(process.env['METERLINE_DATA_DIR'] ?? '.meterline-demo');

async function secret(name: string): Promise<string> {
  const secretFile = path.join(dataDir, name);
  await writeFile(secretFile, randomBytes(24).toString('hex'), { flag: 'wx', mode: 0o600 }).catch(
    () => undefined,
  );
  return (await readFile(secretFile, 'utf8')).trim();
}

async function startService(
  stripeUrl: string | null,
  adminKey: string,
  hook: string,
): Promise<string> {
  return await startMeterline({
    METERLINE_DATA_DIR: dataDir,
    METERLINE_ADMIN_KEY: adminKey,
    PORT: process.env['PORT'] ?? (isKept ? '3000' : '0'),
    INGEST_MAX_AGE_SECONDS: String(MAX_AGE_SECONDS),
    WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    STRIPE_SECRET_KEY: process.env['STRIPE_SECRET_KEY'] ?? 'sk_test_demo',
    STRIPE_WEBHOOK_SECRETS: hook,
    STRIPE_POLL_SECONDS: '5',
    ...(stripeUrl !== null && {
      STRIPE_API_BASE: stripeUrl,
      // The double has none of Stripe's limits.
      STRIPE_CALLS_PER_SECOND: '1000',
      STRIPE_ENDPOINT_CALLS_PER_SECOND: '1000',
    }),
  });
}

function stripeAt(stripeUrl: string | null): Stripe {
  const key = process.env['STRIPE_SECRET_KEY'] ?? 'sk_test_demo';
  if (stripeUrl === null) {
    return new Stripe(key);
  }
  const { hostname, port } = new URL(stripeUrl);
  return new Stripe(key, { host: hostname, port: Number(port), protocol: 'http' });
}

async function sendUsage(api: Api, usage: readonly unknown[]): Promise<Record<string, number>> {
  const tally = { accepted: 0, duplicates: 0, conflicts: 0, rejected: 0 };
  for (let start = 0; start < usage.length; start += EVENTS_PER_REQUEST) {
    const answer = await api.post('/api/v1/events', usage.slice(start, start + EVENTS_PER_REQUEST));
    for (const name of Object.keys(tally) as (keyof typeof tally)[]) {
      tally[name] += answer[name] as number;
    }
  }
  return tally;
}

/** Pays what is open, as the customers' cards would a little later. */
async function payInvoices(api: Api, stripe: Stripe, count: number): Promise<void> {
  await until('every invoice is finalized', async () => {
    const invoices = await api.list('/api/v1/invoices');
    const isDone =
      invoices.length >= count &&
      invoices.every(({ state }) => !['pending', 'draft'].includes(state));
    return isDone ? true : null;
  });
  for (const invoice of await api.list('/api/v1/invoices')) {
    if (invoice.state === 'open') {
      await stripe.invoices.pay(invoice.stripe_invoice_id);
    }
  }
  await until('every invoice is paid', async () => {
    const invoices = await api.list('/api/v1/invoices');
    return invoices.every(({ state }) => state === 'paid') ? true : null;
  });
}

/** The log to bill: a path is meant from where npm was called. */
function fileToRead(): string {
  const [file, ...more] = options.filter((option) => option !== '--keep');
  if (more.length > 0 || file?.startsWith('-') === true) {
    throw new Mistake('Usage: npm run demo -- [FILE] [--keep]');
  }
  return file === undefined ? SAMPLE : path.resolve(process.env['INIT_CWD'] ?? '.', file);
}

/** From the log to the report; answers where Meterline runs, and the key to it. */
async function tellStory(): Promise<{ url: string; adminKey: string }> {
  const file = fileToRead();
  const log = await readNginxLog(file);
  print(`Read ${log.lines} lines of ${path.relative('.', file)}`);
  await mkdir(dataDir, { recursive: true });
  const adminKey = `mlk_${await secret('admin-key')}`;
  const hookSecret = `whsec_${await secret('stripe-webhook-secret')}`;
  const isReal = process.env['STRIPE_SECRET_KEY'] !== undefined;
  const double = isReal ? null : await startStripe(path.join(dataDir, 'stripe.json'));
  const receiver = await startReceiver();
  const url = await startService(double, adminKey, hookSecret);
  print(
    `Meterline runs at ${url}, Stripe is ${double === null ? 'Stripe itself' : `a double at ${double}`}`,
  );
  if (double !== null) {
    await fetch(`${double}/_double/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${url}/webhooks/stripe`, secrets: [hookSecret] }),
    });
  }
  const api = new Api(url, adminKey);
  const stripe = stripeAt(double);
  const setup = await configure(api, stripe, log.usage, receiver.url);
  receiver.expect(setup.endpointSecret);
  print(`Configured ${setup.customers.length} customers, 2 meters, 1 plan, 1 webhook endpoint`);
  const tally = await sendUsage(api, log.usage);
  print('Sent the log as usage events');
  const subscriptions = await subscribe(api, setup.customers, log.usage);
  print('Subscribed the customers; their periods close');
  await payInvoices(api, stripe, subscriptions.length);
  await until('every webhook is delivered', async () => {
    const pending = await api.list('/api/v1/webhook-deliveries?state=pending');
    const sending = await api.list('/api/v1/webhook-deliveries?state=sending');
    return pending.length + sending.length === 0 ? true : null;
  });
  await printReport(api, { log, tally, setup, receiver });
  return { url, adminKey };
}

/** Tells the story, and keeps everything running if that is asked for; answers the exit code. */
async function run(): Promise<number> {
  const interrupted = interruption('demo');
  const told = await Promise.race([tellStory(), interrupted]);
  if (typeof told === 'string') {
    print(`\nInterrupted by ${told}.`);
    return 128 + constants.signals[told];
  }
  const where = path.relative('.', dataDir);
  if (isKept) {
    const { url, adminKey } = told;
    print(`\nAPI: ${url}/api/v1    documentation: ${url}/docs    key: ${adminKey}`);
    print(`It keeps running until Ctrl-C. Data are in ${where}.`);
    await interrupted;
    return 0;
  }
  print(`\nRun it again: nothing is billed twice. Data are in ${where}.`);
  print('To look around in the API and its documentation: npm run demo -- --keep');
  return 0;
}

try {
  process.exitCode = await run();
} catch (error) {
  const words = error instanceof Mistake ? error.message : String((error as Error).stack);
  process.stderr.write(`${words}\n`);
  process.exitCode = 1;
} finally {
  await stopAll(dataDir);
  process.exit();
}
