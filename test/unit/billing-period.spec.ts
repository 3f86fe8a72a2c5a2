import { describeWindow } from '../../src/billing/periods/billing-period.js';
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
