/* The report at the end: every figure is asked of the API, none is remembered from sending. */
import { type Api } from '../support/api.js';
import { type ReadLog } from './nginx-log.js';
import { type Receiver } from './processes.js';
import { type Setup } from './story.js';

// oxlint-disable-next-line typescript/no-explicit-any -- answers are read as documented
type Json = any;

export const print = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

const byText = (left: readonly string[], right: readonly string[]): number =>
  left.join('\0') < right.join('\0') ? -1 : 1;

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = head.map((_, column) =>
    rows.every((row) => /^-?[\d,.]*(?: [a-z]{3})?$/.test(row[column] ?? '')),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        isNumber[column] === true
          ? cell.padStart(widths[column] ?? 0)
          : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  print(`\n${title}`);
  print(`  ${line(head)}`);
  print(`  ${widths.map((width) => '─'.repeat(width)).join('  ')}`);
  for (const row of rows) {
    print(`  ${line(row)}`);
  }
}

export interface Outcome {
  readonly log: ReadLog;
  readonly tally: Readonly<Record<string, number>>;
  readonly setup: Setup;
  readonly receiver: Receiver;
}

/** Prints what came in, what it added up to, what was billed, and who was told. */
export async function printReport(api: Api, outcome: Outcome): Promise<void> {
  const { log, tally } = outcome;
  print('\nUsage events');
  print(
    `  ${log.lines} lines, ${log.anonymous} of nobody (no valid API key), ${log.usage.length} sent`,
  );
  print(
    `  ${Object.entries(tally)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );
  const periods = await api.list('/api/v1/billing-periods');
  table(
    'Usage, per customer and meter, as the API reads it now',
    ['customer', 'meter', 'period', 'quantity'],
    await usageRows(api, periods),
  );
  const items = await api.list('/api/v1/line-items');
  table(
    'Line items in the ledger',
    ['customer', 'price', 'quantity', 'amount', 'state', 'description'],
    items
      .map((item) => [
        item.customer,
        item.price,
        item.quantity ?? '',
        `${item.amount} ${item.currency}`,
        item.state,
        item.description,
      ])
      .toSorted(byText),
  );
  const invoices = await api.list('/api/v1/invoices');
  table(
    'Invoices, as Stripe says',
    ['customer', 'number', 'total', 'state', 'at Stripe'],
    invoices
      .map((invoice) => [
        invoice.customer,
        invoice.number ?? '',
        `${invoice.total} ${invoice.currency}`,
        invoice.state,
        invoice.stripe_invoice_id ?? '',
      ])
      .toSorted(byText),
  );
  await printWebhooks(api, outcome.receiver);
}

async function usageRows(api: Api, periods: readonly Json[]): Promise<string[][]> {
  const rows: string[][] = [];
  for (const period of periods.toSorted((left, right) =>
    left.customer < right.customer ? -1 : 1,
  )) {
    for (const meter of ['requests', 'egress']) {
      const query = new URLSearchParams({
        customer: period.customer,
        from: period.starts_at,
        to: period.ends_at,
      });
      const usage = await api.get(`/api/v1/meters/${meter}/usage?${query.toString()}`);
      const quantity = String(usage.data[0]?.quantity ?? '0');
      rows.push([period.customer, meter, `${period.starts_at} to ${period.ends_at}`, quantity]);
    }
  }
  return rows;
}

async function printWebhooks(api: Api, receiver: Receiver): Promise<void> {
  const messages = await api.list('/api/v1/webhook-messages');
  const deliveries = await api.list('/api/v1/webhook-deliveries');
  const types = [...new Set(messages.map(({ type }) => String(type)))].toSorted();
  table(
    'Webhooks',
    ['type', 'messages', 'delivered', 'received in this run'],
    types.map((type) => {
      const ids = messages.filter((message) => message.type === type).map(({ id }) => String(id));
      const delivered = deliveries.filter(
        ({ message, state }) => ids.includes(String(message)) && state === 'succeeded',
      );
      const received = ids.filter((id) => receiver.verified.has(id));
      return [type, ids.length, delivered.length, received.length].map(String);
    }),
  );
  print(`  every signature checked by the receiver; ${receiver.refused.length} refused`);
}
