import { closingTime, describeWindow } from '../../src/billing/periods/billing-period.js';
import { interval } from '../../src/kernel/interval.js';

describe('describeWindow', () => {
  it.each([
    ['2026-10-31T23:00:00Z', '2026-11-30T23:00:00Z', 'Europe/Berlin', 'Nov 1 – Nov 30, 2026'],
    ['2026-12-15T12:00:00Z', '2027-01-01T00:00:00Z', 'UTC', 'Dec 15 – Dec 31, 2026'],
    ['2026-12-15T12:00:00Z', '2027-01-02T00:00:01Z', 'UTC', 'Dec 15, 2026 – Jan 2, 2027'],
    ['2026-11-30T00:00:00Z', '2026-12-01T00:00:00Z', 'UTC', 'Nov 30, 2026'],
  ])('says %s to %s in %s as %s', (start, end, timeZone, text) => {
    expect(describeWindow(interval(new Date(start), new Date(end)), timeZone)).toBe(text);
  });
});

describe('closingTime', () => {
  const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
  const terms = {
    cadence: { interval: 'month', anchor: { kind: 'calendar' }, timeZone: 'UTC' },
    graceSeconds: 3_600,
  } as const;

  it.each([
    ['after_grace', day(20), null, '2026-11-20T01:00:00.000Z'],
    ['after_grace', day(20), day(20), '2026-11-20T01:00:00.000Z'],
    ['at_once', day(20), day(20), '2026-11-20T00:00:00.000Z'],
    ['period_end', day(20), day(20), '2026-12-01T01:00:00.000Z'],
    ['at_once', day(31), day(31), '2026-12-01T00:00:00.000Z'],
    ['period_end', day(31), day(31), '2026-12-01T01:00:00.000Z'],
    // Periods before the last one are not what the cancellation speaks of.
    ['at_once', day(20), day(45), '2026-11-20T01:00:00.000Z'],
    ['period_end', day(20), day(45), '2026-11-20T01:00:00.000Z'],
  ] as const)('%s of a period until %s of a subscription until %s is %s', (...of) => {
    const [lastBill, end, endsAt, expected] = of;
    const closes = closingTime(interval(day(1), end), { endsAt, lastBill }, terms);
    expect(closes.toISOString()).toBe(expected);
  });
});
