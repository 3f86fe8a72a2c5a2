/* What is measured, as data: a section lists how its scenarios differ from the standard one. */
import { type FormatName } from './events/formats.js';
import { type EventShape } from './events/usage-events.js';

export interface Scenario {
  readonly name: string;
  /** Meters that are live; a section starts a service for each number of them. */
  readonly meters: number;
  readonly format: FormatName;
  readonly shape: EventShape;
  /** Events to a request, one after another and round again. */
  readonly perRequest: readonly number[];
  readonly connections: number;
  /** Events of one round: enough for a few seconds. */
  readonly events: number;
  /** How many of a hundred events were stored before. */
  readonly repeatPercent: number;
}

/** The one that the aims are about: three meters live, 500 events to a request. */
export const STANDARD: Scenario = {
  name: '500 to a request',
  meters: 3,
  format: 'json',
  shape: { subjects: 1_000, bytes: 190 },
  perRequest: [500],
  connections: 24,
  events: 150_000,
  repeatPercent: 0,
};

/** The same with one event to a request. */
export const SINGLE: Scenario = {
  ...STANDARD,
  name: '1 to a request',
  perRequest: [1],
  connections: 64,
  events: 20_000,
};

/** As several gateways send at once: most requests hold one event, most events come in large requests. */
export const MIXED: Scenario = {
  ...STANDARD,
  name: '20 requests of 1, then one of 500',
  perRequest: [...Array.from({ length: 20 }, () => 1), 500],
  connections: 64,
  events: 104_000,
};
