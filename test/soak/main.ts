/*
 * npm run soak -- [--minutes N] [--seed S] [--senders N]: kills everything for N minutes and says
 * what became of every event; exits with 1 on any difference. With --billing it says what became of
 * every line item, at a Stripe that fails. Starts its own database and services, and leaves nothing behind.
 */
import { parseArgs } from 'node:util';
import { runBillingSoak } from './billing/billing-soak.js';
import { billingLines, listed } from './billing/report.js';
import { type Killing } from './killing.js';
import { KILLS } from './plant.js';
import { runSoak, type SoakResult } from './soak.js';

const LONGEST_PEACE_MS = 3_000;
/** Some periods are to close in between. */
const LONGEST_BILLING_PEACE_MS = 10_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: Date.now().toString(36) },
    senders: { type: 'string', default: '2' },
    billing: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const sendersOfForm = Number(values.senders);
if (!(minutes > 0) || !Number.isInteger(sendersOfForm) || sendersOfForm < 1) {
  throw new Error('--minutes is a number above 0, --senders (of each form) a whole number above 0');
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const row = (name: string, value: string | number): void => {
  print(`${name.padEnd(34)} ${typeof value === 'number' ? value.toLocaleString('en') : value}`);
};
function printResult({ tally, verdict }: SoakResult): void {
  const recoveries = tally.recoveriesMs.toSorted((left, right) => left - right);
  const median = recoveries[Math.floor(recoveries.length / 2)] ?? 0;
  print('');
  row('events made', tally.sent);
  row('events in requests, with retries', tally.requested);
  row('  of them repeated on purpose', tally.repeated);
  row('events acknowledged', tally.acknowledged);
  row('requests by answer', listed(tally.answers));
  row('kills', listed(tally.kills));
  row(
    'ms to the next 2xx, p50 / max',
    `${Math.round(median)} / ${Math.round(recoveries.at(-1) ?? 0)}`,
  );
  row('events stored', verdict.stored);
  row('events counted by a meter', verdict.counted);
  row('subscriptions, each closed 3 times', tally.subscriptions);
  row('rebuilds of meters', tally.rebuilds);
  row('differences', verdict.differences.length);
}

/** From when everything runs; so there is one kill at least. */
let until: number | null = null;
const killing: Killing = {
  kills: KILLS,
  longestPeaceMs: LONGEST_PEACE_MS,
  goesOn: () => {
    until ??= performance.now() + minutes * 60_000;
    return performance.now() < until;
  },
  report: print,
};

/** Answers the differences. */
async function run(): Promise<readonly string[]> {
  const { seed } = values;
  if (values.billing) {
    print(`Seed ${seed}; ${minutes} minutes of billing`);
    const longestPeaceMs = LONGEST_BILLING_PEACE_MS;
    const result = await runBillingSoak({ ...killing, longestPeaceMs, seed });
    print('');
    for (const [name, value] of billingLines(result)) {
      row(name, value);
    }
    return result.verdict.differences;
  }
  print(`Seed ${seed}; ${minutes} minutes; ${sendersOfForm} senders of each form`);
  const result = await runSoak({ ...killing, seed, sendersOfForm });
  printResult(result);
  return result.verdict.differences;
}

const differences = await run();
for (const difference of differences) {
  print(`  ${difference}`);
}
process.exit(differences.length === 0 ? 0 : 1);
