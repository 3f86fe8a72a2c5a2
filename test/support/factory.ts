import { type NewCustomer } from '../../src/customers/customers.service.js';
import { type NewMeter } from '../../src/meters/meters.service.js';

let serial = 0;

/** Whole things with what a test does not care about filled in. */
export const factory = {
  customer: (overrides: Partial<NewCustomer> = {}): NewCustomer => ({
    key: `customer-${(serial += 1)}`,
    name: 'A customer',
    email: null,
    currency: 'usd',
    timeZone: 'UTC',
    stripeCustomerId: null,
    metadata: {},
    ...overrides,
  }),
  meter: (overrides: Partial<NewMeter> = {}): NewMeter => ({
    key: `meter-${(serial += 1)}`,
    name: 'A meter',
    description: '',
    unit: 'unit',
    eventType: 'api.request',
    aggregation: { kind: 'count' },
    filters: [],
    groupBy: [],
    countsFrom: null,
    archivedAt: null,
    ...overrides,
  }),
  event: (overrides: Record<string, unknown> = {}): Record<string, unknown> => ({
    id: `event-${(serial += 1)}`,
    source: 'test',
    type: 'api.request',
    subject: 'key-1',
    time: '2026-11-10T10:20:30Z',
    data: {},
    ...overrides,
  }),
};
