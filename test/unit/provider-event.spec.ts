import { metadataOf, readEvent } from '../../src/stripe/provider-event.js';

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
    expect(readEvent(JSON.stringify(thin))).toMatchObject({ objectId: 'in_2', isThin: true });
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

describe('metadataOf', () => {
  it('is what the object had, or nothing', () => {
    expect(metadataOf(JSON.stringify(snapshot))).toEqual({ meterline_invoice: 'inv_1' });
    expect(metadataOf('{}')).toEqual({});
    expect(metadataOf('{')).toEqual({});
  });
});
