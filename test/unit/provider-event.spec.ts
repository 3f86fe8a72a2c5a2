import {
  FOLLOWED_TYPES,
  isMeterReport,
  isThinType,
  metadataOf,
  METER_REPORT_TYPES,
  plainType,
  readEvent,
  subscriptionOf,
} from '../../src/stripe/provider-event.js';

const snapshot = {
  id: 'evt_1',
  object: 'event',
  type: 'invoice.paid',
  created: 1_796_083_200,
  livemode: true,
  data: { object: { id: 'in_1', object: 'invoice', metadata: { meterline_invoice: 'inv_1' } } },
};

describe('readEvent', () => {
  it('reads a snapshot event', () => {
    expect(readEvent(JSON.stringify(snapshot))).toEqual({
      id: 'evt_1',
      type: 'invoice.paid',
      objectId: 'in_1',
      livemode: true,
      occurredAt: new Date(1_796_083_200_000),
      isThin: false,
      snapshotEventId: null,
    });
  });

  it('reads a thin event', () => {
    const thin = {
      id: 'evt_2',
      object: 'v2.core.event',
      type: 'v1.invoice.paid',
      created: '2026-12-01T00:00:00.000Z',
      livemode: false,
      related_object: { id: 'in_2', type: 'invoice' },
    };
    expect(readEvent(JSON.stringify(thin))).toMatchObject({
      objectId: 'in_2',
      isThin: true,
      snapshotEventId: null,
    });
    const paired = readEvent(JSON.stringify({ ...thin, snapshot_event: 'evt_1' }));
    expect(paired?.snapshotEventId).toBe('evt_1');
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['no id', JSON.stringify({ ...snapshot, id: undefined })],
    ['an id that is no text', JSON.stringify({ ...snapshot, id: 7 })],
    ['an id that cannot be stored', JSON.stringify({ ...snapshot, id: 'a\0b' })],
    ['no type', JSON.stringify({ ...snapshot, type: '' })],
    ['another object', JSON.stringify({ ...snapshot, object: 'invoice' })],
    ['no time', JSON.stringify({ ...snapshot, created: 'today' })],
  ])('refuses %s', (_, text) => {
    expect(readEvent(text)).toBeNull();
  });

  it('takes an event about nothing', () => {
    expect(readEvent(JSON.stringify({ ...snapshot, data: {} }))).toMatchObject({ objectId: null });
  });
});

describe('plainType', () => {
  it('is the same for both kinds of event', () => {
    expect(plainType('v1.invoice.paid')).toBe('invoice.paid');
    expect(plainType('invoice.paid')).toBe('invoice.paid');
    expect(['v1.invoice.paid', 'invoice.paid'].map(isThinType)).toEqual([true, false]);
  });
});

describe('subscriptionOf', () => {
  it('is the subscription that an invoice was made for, or null', () => {
    const parent = {
      type: 'subscription_details',
      subscription_details: { subscription: 'sub_1' },
    };
    const event = { ...snapshot, data: { object: { ...snapshot.data.object, parent } } };
    expect(subscriptionOf(JSON.stringify(event))).toBe('sub_1');
    expect(subscriptionOf(JSON.stringify(snapshot))).toBeNull();
    expect(subscriptionOf('{')).toBeNull();
  });
});

describe('metadataOf', () => {
  it('is what the object had, or nothing', () => {
    expect(metadataOf(JSON.stringify(snapshot))).toEqual({ meterline_invoice: 'inv_1' });
    expect(metadataOf('{}')).toEqual({});
    expect(metadataOf('{')).toEqual({});
  });
});

describe('isMeterReport', () => {
  it('is a thin event of its types', () => {
    expect(METER_REPORT_TYPES.map((type) => isMeterReport({ type, isThin: true }))).toEqual([
      true,
      true,
    ]);
    const [type] = METER_REPORT_TYPES;
    expect(isMeterReport({ type, isThin: false })).toBe(false);
    expect(isMeterReport({ type: 'v1.billing.meter.updated', isThin: true })).toBe(false);
  });

  it('is not asked for in the event list, which has no thin events', () => {
    expect(FOLLOWED_TYPES.filter((type) => type.startsWith('billing.'))).toEqual([]);
  });
});
