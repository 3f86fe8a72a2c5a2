/*
 * Aim: slots of every schedule are what a clock on the wall shows, once each, whatever the clock does.
 * Method: tables for the days on which it is set, and an oracle that looks at the clock minute by minute.
 */
import fc from 'fast-check';
import { IANAZone } from 'luxon';
import {
  HOURLY,
  isCron,
  lastSlot,
  type Schedule,
  slotAfter,
} from '../../src/billing/usage-reports/report-schedule.js';

const MINUTE_MS = 60_000;

const slots = (schedule: Schedule, from: string, count: number): string[] => {
  const found: string[] = [];
  let at = new Date(from);
  for (let index = 0; index < count; index += 1) {
    at = slotAfter(schedule, at);
    found.push(at.toISOString());
  }
  return found;
};

describe('isCron', () => {
  it.each([
    '* * * * *',
    '0 6 * * mon',
    '*/15 8-18 * * 1-5',
    '0 0 29 2 *',
    '0 0 1,15 jan,jul *',
    ' 5 4 * * sun ',
  ])('takes %s', (text) => {
    expect(isCron(text)).toBe(true);
  });

  it.each([
    ['six fields', '0 0 6 * * *'],
    ['four fields', '0 6 * *'],
    ['a word', '@daily'],
    ['a day that never comes', '0 0 30 2 *'],
    ['a minute that is none', '60 * * * *'],
    ['steps of nothing', '*/0 * * * *'],
    ['a range backwards', '0 9-5 * * *'],
    ['a name that is none', '0 0 * * xyz'],
    ['nothing', ''],
    ['no text', 5],
  ])('refuses %s', (_, text) => {
    expect(isCron(text)).toBe(false);
  });
});

describe('slotAfter', () => {
  it('is never the instant itself', () => {
    expect(slots(HOURLY, '2026-11-03T10:00:00Z', 1)).toEqual(['2026-11-03T11:00:00.000Z']);
    expect(slots(HOURLY, '2026-11-03T09:59:59.999Z', 1)).toEqual(['2026-11-03T10:00:00.000Z']);
    expect(slots(HOURLY, '2026-11-03T10:00:00.001Z', 1)).toEqual(['2026-11-03T11:00:00.000Z']);
  });

  it.each<[string, Schedule, string, string[]]>([
    [
      'every midnight, where the clock is set forward and back at night',
      { cron: '0 0 * * *', timeZone: 'Europe/Berlin' },
      '2026-03-28T12:00:00Z',
      ['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'],
    ],
    [
      'a time that the clock skips, at the jump and once',
      { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
      '2026-03-28T12:00:00Z',
      ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
    ],
    [
      'quarters that the clock skips, at the jump and once',
      { cron: '*/15 * * * *', timeZone: 'Europe/Berlin' },
      '2026-03-29T00:45:00Z',
      ['2026-03-29T01:00:00.000Z', '2026-03-29T01:15:00.000Z'],
    ],
    [
      'a time that comes twice, the first time',
      { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
      '2026-10-24T12:00:00Z',
      ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    ],
    [
      'quarters of an hour that comes twice, of the first one',
      { cron: '*/30 * * * *', timeZone: 'Europe/Berlin' },
      '2026-10-25T00:20:00Z',
      ['2026-10-25T00:30:00.000Z', '2026-10-25T02:00:00.000Z'],
    ],
    [
      'a midnight that does not exist',
      { cron: '0 0 * * *', timeZone: 'Africa/Cairo' },
      '2026-04-23T12:00:00Z',
      ['2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z'],
    ],
    [
      'a clock that is set by half an hour',
      { cron: '0 * * * *', timeZone: 'Australia/Lord_Howe' },
      '2026-10-03T14:30:00Z',
      ['2026-10-03T15:30:00.000Z', '2026-10-03T16:00:00.000Z', '2026-10-03T17:00:00.000Z'],
    ],
    [
      'a day that most years have not',
      { cron: '0 0 29 2 *', timeZone: 'UTC' },
      '2026-11-03T00:00:00Z',
      ['2028-02-29T00:00:00.000Z'],
    ],
  ])('has %s', (_, schedule, from, expected) => {
    expect(slots(schedule, from, expected.length)).toEqual(expected);
  });

  it('agrees with a clock that is looked at every minute', () => {
    const zones = [
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
    ];
    const crons = ['0 * * * *', '0 0 * * *', '*/20 1-3 * * *', '30 2 * * sun', '15 23 1 * *'];
    const near = fc.constantFrom(
      '2026-03-08',
      '2026-03-29',
      '2026-10-04',
      '2026-10-25',
      '2026-11-01',
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...crons),
        near,
        fc.integer({ min: -600, max: 600 }),
        (timeZone, cron, day, minutes) => {
          const from = new Date(Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE_MS);
          const slot = slotAfter({ cron, timeZone }, from);
          fc.pre(slot.getTime() - from.getTime() < 2_000 * MINUTE_MS);
          expect(slot.toISOString()).toBe(watched(cron, timeZone, from).toISOString());
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('lastSlot', () => {
  it('is the first one when there is no other', () => {
    const first = new Date('2026-11-03T10:00:00Z');
    expect(lastSlot(HOURLY, first, first)).toEqual(first);
    expect(lastSlot(HOURLY, first, new Date('2026-11-03T10:59:59.999Z'))).toEqual(first);
  });

  it('is what going on slot by slot would come to', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('0 * * * *', '*/7 3 * * *', '0 0 * * mon', '30 2 * * *'),
        fc.constantFrom('UTC', 'Europe/Berlin'),
        fc.integer({ min: 0, max: 3_000 }),
        (cron, timeZone, minutes) => {
          const schedule = { cron, timeZone };
          const first = slotAfter(schedule, new Date('2026-10-20T00:00:00Z'));
          const now = new Date(first.getTime() + minutes * MINUTE_MS);
          let last = first;
          for (let next = first; next <= now; next = slotAfter(schedule, next)) {
            last = next;
          }
          expect(lastSlot(schedule, first, now)).toEqual(last);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('is found after years in no time', () => {
    const first = new Date('2020-01-01T00:00:00Z');
    const now = new Date('2026-07-15T12:34:56Z');
    const schedule = { cron: '* * * 1 *', timeZone: 'UTC' };
    expect(lastSlot(schedule, first, now)).toEqual(new Date('2026-01-31T23:59:00Z'));
  });
});

/** The first minute after an instant at which a clock shows a time of the schedule for the first time, or has just jumped over one. */
function watched(cron: string, timeZone: string, from: Date): Date {
  const [minutes, hours, days, , weekdays] = cron.split(' ').map(fieldOf);
  const shows = (face: number): boolean => {
    const date = new Date(face);
    return (
      minutes?.(date.getUTCMinutes()) === true &&
      hours?.(date.getUTCHours()) === true &&
      days?.(date.getUTCDate()) === true &&
      weekdays?.(date.getUTCDay()) === true
    );
  };
  const zone = IANAZone.create(timeZone);
  const faceAt = (at: number): number => at + zone.offset(at) * MINUTE_MS;
  let at = Math.floor(from.getTime() / MINUTE_MS) * MINUTE_MS;
  // The latest that the clock has shown: whatever is not later comes a second time.
  let latest = Math.max(...Array.from({ length: 91 }, (_, back) => faceAt(at - back * MINUTE_MS)));
  for (;;) {
    at += MINUTE_MS;
    for (let face = latest + MINUTE_MS; face <= faceAt(at); face += MINUTE_MS) {
      if (shows(face)) {
        return new Date(at);
      }
    }
    latest = Math.max(latest, faceAt(at));
  }
}

function fieldOf(text: string): (value: number) => boolean {
  const [range = '', step = '1'] = text.replace('sun', '0').split('/');
  const [low = '0', high = low] = range === '*' ? ['0', '59'] : range.split('-');
  return (value) =>
    value >= Number(low) && value <= Number(high) && (value - Number(low)) % Number(step) === 0;
}
