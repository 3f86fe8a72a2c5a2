import {
  findHeaderFault,
  normalizeHeaders,
} from '../../../src/webhooks/endpoints/custom-headers.js';

describe('findHeaderFault', () => {
  it('takes headers that are the endpoint’s own', () => {
    expect(
      findHeaderFault({ Authorization: 'Bearer abc', 'x-tenant': 'acme 1', cookie: 'a=b' }),
    ).toBeNull();
    expect(findHeaderFault({})).toBeNull();
  });

  it.each([
    ['Connection'],
    ['keep-alive'],
    ['TE'],
    ['trailer'],
    ['Transfer-Encoding'],
    ['upgrade'],
    ['Proxy-Authorization'],
    ['proxy-connection'],
    ['Host'],
    ['content-length'],
    ['Content-Type'],
    ['content-encoding'],
    ['Expect'],
    ['User-Agent'],
    ['webhook-id'],
    ['Webhook-Timestamp'],
    ['webhook-signature'],
    ['svix-signature'],
  ])('refuses %s, which is not an endpoint’s to set', (name) => {
    expect(findHeaderFault({ [name]: 'x' })).toContain('cannot be set');
  });

  it.each([[''], ['a b'], ['a:b'], ['ä'], ['a\r\nb'], ['x'.repeat(101)]])(
    'refuses the name %j',
    (name) => {
      expect(findHeaderFault({ [name]: 'x' })).toContain('is no name of a header');
    },
  );

  it.each([
    [''],
    [' a'],
    ['a '],
    ['a\r\nx: b'],
    ['a\tb'],
    ['ä'],
    ['a\0'],
    [7],
    [null],
    [['a']],
    ['x'.repeat(1_025)],
  ])('refuses the value %j', (value) => {
    expect(findHeaderFault({ 'x-a': value })).toContain('the value of "x-a"');
  });

  it('refuses too many, and one of them twice', () => {
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x-${index}`, 'x']));
    expect(findHeaderFault(many)).toContain('at most 20');
    expect(findHeaderFault({ 'x-a': '1', 'X-A': '2' })).toContain('once');
  });
});

describe('normalizeHeaders', () => {
  it('sorts by names in lower case', () => {
    expect(JSON.stringify(normalizeHeaders({ 'X-B': '2', 'x-a': '1' }))).toBe(
      '{"x-a":"1","x-b":"2"}',
    );
  });
});
