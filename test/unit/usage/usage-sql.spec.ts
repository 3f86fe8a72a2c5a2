import { Parameters } from '../../../src/usage/meter-sql.js';
import { Buckets } from '../../../src/usage/buckets.sql.js';

const at = (time: string): Date => new Date(`2026-11-09T${time}:00Z`);
const bucket = (start: string, end: string): { start: Date; end: Date } => ({
  start: at(start),
  end: at(end),
});

describe('Buckets', () => {
  it('refuses buckets that leave a gap, overlap or are none', () => {
    for (const given of [
      [bucket('08:00', '09:00'), bucket('10:00', '11:00')],
      [bucket('08:00', '10:00'), bucket('09:00', '11:00')],
      [],
    ]) {
      expect(() => new Buckets(given, new Parameters())).toThrow(RangeError);
    }
  });

  it('names each hour in which one bucket ends and the next begins once', () => {
    const parameters = new Parameters();
    const cut = [bucket('08:30', '09:15'), bucket('09:15', '09:45'), bucket('09:45', '11:20')];
    expect(new Buckets(cut, parameters).cutHours()).toBe('$4::timestamptz[]');
    expect(parameters.values[3]).toEqual([at('09:00')]);
  });

  it('cuts no hour when buckets are whole hours, and takes no parameter for it', () => {
    const parameters = new Parameters();
    const whole = [bucket('08:00', '09:00'), bucket('09:00', '11:00')];
    expect(new Buckets(whole, parameters).cutHours()).toBeNull();
    expect(parameters.values).toHaveLength(3);
  });
});
