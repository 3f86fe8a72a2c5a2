import { type UsageEvent } from '../../../src/events/usage-event.js';
import { amended } from '../../../src/usage/quarantined-value.js';

const event = (data: string): UsageEvent => ({
  ...{ source: 's', id: 'i', type: 't', subject: 'u', extensions: '{"x":1}', data },
  time: '2001-02-03T04:05:06.000007Z',
});

describe('amended', () => {
  it.each([
    ['{"v":"many","w":1}', ['v'], 7, '{"v":7,"w":1}'],
    ['{"w":12345678901234567890.10}', ['v'], '7.5', '{"w":12345678901234567890.10,"v":"7.5"}'],
    ['{"a":{"b":1}}', ['a', 'c'], 7, '{"a":{"b":1,"c":7}}'],
    ['{"a":null}', ['a', 'b', 'c'], 7, '{"a":{"b":{"c":7}}}'],
    ['{}', ['__proto__', 'v'], 7, '{"__proto__":{"v":7}}'],
    ['{}', ['toString'], 7, '{"toString":7}'],
  ])('puts a value into %s at %p', (data, path, given, expected) => {
    const before = event(data);
    expect(amended(before, { field: 'value', given }, path)).toEqual({ ...before, data: expected });
    expect(before.data).toBe(data);
  });

  it('takes other data as a whole', () => {
    const given = { v: 8 };
    expect(amended(event('{"v":1,"w":2}'), { field: 'data', given }, ['v']).data).toBe('{"v":8}');
  });

  it.each([
    ['value', '{"a":7}', 7, 'no_place'],
    ['value', '{"a":[1]}', 7, 'no_place'],
    ['value', '{"a":"x"}', 7, 'no_place'],
    ['value', '{}', '\0', 'invalid_text'],
    ['value', '{}', 'x'.repeat(65_537), 'event_too_large'],
    ['data', '{}', [], 'invalid_data'],
    ['data', '{}', 'x', 'invalid_data'],
  ] as const)('refuses a %s for %s that no event may hold', (field, data, given, code) => {
    expect(() => amended(event(data), { field, given }, ['a', 'b'])).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ field, code })] }),
    );
  });
});
