/*
 * How long after its answer an event that crosses a threshold is heard of by a receiver, at half of what
 * the service takes. All the load is of customers whom a threshold watches, so that each of them is judged
 * with every fold; beside it single events, each of a customer of its own, cross a level one by one.
 */
import { type Bench } from '../bench.js';
import { jobOf, type Measured } from '../measure.js';
import { SINGLE, type Scenario, STANDARD } from '../scenario.js';
import { type Meterline } from '../service/meterline.js';
import { Api } from '../../support/api.js';
import { type Receiver, startReceiver } from '../../support/webhook-receiver.js';
import { HALF_LOAD, measureCapacity } from './latency.js';
import { type Section } from './section.js';

const TARGET_P99_MS = 1_000;
const CUSTOMERS = STANDARD.shape.subjects;
/** Crossings while the load comes; for each a customer of its own. */
const PROBES = 200;
const QUICK_PROBES = 50;
/** How long the last message may take to come. */
const PATIENCE_MS = 30_000;

interface Row {
  readonly name: string;
  readonly capacity: Measured;
  readonly eventsPerSecond: number;
  /** From answer to arrival, in order. */
  readonly delaysMs: readonly number[];
}

export const thresholds: Section = {
  name: 'thresholds',
  run: async (bench) => {
    const rows: Row[] = [];
    for (const scenario of [SINGLE, STANDARD]) {
      await bench.withService(
        { env: { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' } },
        async (service) => {
          rows.push(await atHalfLoad(bench, service, scenario));
          await bench.notePeak(service, 'thresholds');
        },
      );
    }
    const at = (row: Row, share: number): number =>
      row.delaysMs[Math.ceil(row.delaysMs.length * share) - 1] ?? Number.POSITIVE_INFINITY;
    bench.report.table(
      `Thresholds at half load: ${CUSTOMERS} customers are judged, from answer to receiver`,
      [
        { head: '', value: (row) => row.name },
        { head: 'capacity/s', value: (row) => row.capacity.eventsPerSecond },
        { head: 'events/s', value: (row) => row.eventsPerSecond },
        { head: 'crossings', value: (row) => row.delaysMs.length },
        { head: 'p50 ms', value: (row) => at(row, 0.5) },
        { head: 'p99 ms', value: (row) => at(row, 0.99) },
        { head: 'max ms', value: (row) => at(row, 1) },
      ],
      rows,
    );
    for (const row of rows) {
      const p99Ms = at(row, 0.99);
      bench.report.aim({
        name: `p99 from answer to webhook at half load, ${row.name}`,
        target: `under ${TARGET_P99_MS} ms`,
        measured: `${p99Ms.toFixed(0)} ms`,
        isMet: p99Ms < TARGET_P99_MS,
        scenario: null,
      });
    }
  },
};

async function atHalfLoad(bench: Bench, service: Meterline, given: Scenario): Promise<Row> {
  const scenario = { ...given, events: bench.scaled(given.events) };
  bench.say(`thresholds, ${scenario.name}`);
  const api = new Api(service.url, service.key);
  const probes = bench.isQuick ? QUICK_PROBES : PROBES;
  await createCustomers(api, probes);
  const capacity = await measureCapacity(bench, service, scenario);
  const seconds = bench.isQuick ? HALF_LOAD.quickSeconds : HALF_LOAD.seconds;
  const { connections } = HALF_LOAD;
  const send = await bench.load.prepare({
    ...jobOf(bench, service, {
      ...scenario,
      events: Math.ceil(capacity.eventsPerSecond * HALF_LOAD.share * seconds),
      connections,
    }),
    requestsPerSecond: capacity.requestsPerSecond * HALF_LOAD.share,
  });
  const receiver = await startReceiver();
  try {
    await api.post('/api/v1/webhook-endpoints', {
      url: receiver.url,
      types: ['threshold.crossed'],
    });
    const loading = send();
    const answeredAt = await sendProbes(api, probes, seconds);
    const { eventsPerSecond } = await loading;
    const arrivedAt = await arrivals(receiver, probes);
    const delaysMs = [...answeredAt]
      .map(([customer, at]) => (arrivedAt.get(customer) ?? Number.POSITIVE_INFINITY) - at)
      .toSorted((left, right) => left - right);
    return { name: scenario.name, capacity, eventsPerSecond, delaysMs };
  } finally {
    await receiver.close();
  }
}

/** Those of the load, with a threshold that is never reached, and those who cross one with their first event. */
async function createCustomers(api: Api, probes: number): Promise<void> {
  const create = async (key: string): Promise<void> => {
    await api.post('/api/v1/customers', { key, name: key, currency: 'usd', subjects: [key] });
  };
  for (let index = 0; index < CUSTOMERS; index += 1) {
    await create(`key_${String(index).padStart(4, '0')}`);
  }
  for (let index = 0; index < probes; index += 1) {
    await create(`probe_${index}`);
    const threshold = { meter: 'requests', basis: 'lifetime', levels: ['1'] };
    await api.post('/api/v1/thresholds', {
      ...{ ...threshold, key: `probe_${index}`, customer: `probe_${index}` },
    });
  }
  await api.post('/api/v1/thresholds', {
    ...{ key: 'everyone', meter: 'requests', basis: 'lifetime', levels: ['1000000000000'] },
  });
}

/** One event of each probe's customer, evenly over the load; answers when each was answered. */
async function sendProbes(api: Api, probes: number, seconds: number): Promise<Map<string, number>> {
  const answeredAt = new Map<string, number>();
  const sending: Promise<void>[] = [];
  for (let index = 0; index < probes; index += 1) {
    const subject = `probe_${index}`;
    const event = { id: subject, source: 'probe', type: 'api.request', subject, data: {} };
    sending.push(
      api.post('/api/v1/events', event).then(() => {
        answeredAt.set(subject, performance.now());
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, (seconds * 1_000) / probes));
  }
  await Promise.all(sending);
  return answeredAt;
}

/** When the message of each customer first came; those that do not come in time are left out. */
async function arrivals(receiver: Receiver, probes: number): Promise<ReadonlyMap<string, number>> {
  await Promise.race([
    receiver.arrived(probes),
    new Promise((resolve) => {
      setTimeout(resolve, PATIENCE_MS).unref();
    }),
  ]);
  const arrivedAt = new Map<string, number>();
  for (const { body, at } of receiver.requests) {
    const { data } = JSON.parse(body) as { data: { customer: string } };
    arrivedAt.set(data.customer, Math.min(at, arrivedAt.get(data.customer) ?? Infinity));
  }
  return arrivedAt;
}
