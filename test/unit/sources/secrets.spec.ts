import fc from 'fast-check';
import { LosslessNumber } from 'lossless-json';
import { isSecretParameter, REDACTED } from '../../../src/sources/secret-texts.js';
import { isSecretName, redact, redactText } from '../../../src/sources/secrets.js';

const NAMES = [
  'authorization',
  'Proxy-Authorization',
  'COOKIE',
  'Set-Cookie',
  'X-Api-Key',
  'apikey',
];
const SECRET = 'hunter2';
const plain = fc.oneof(
  fc.string().filter((text) => !text.includes(SECRET)),
  fc.integer(),
  fc.boolean(),
);

/** Objects and lists of any depth in which secrets stand under names that say so. */
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 5 }, plain, fc.array(tie('tree'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(
    fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom(...NAMES, 'http_cookie')),
    tie('tree'),
    { maxKeys: 4 },
  ),
}));

/** Puts the secret wherever a name calls for one. */
function filled(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(filled);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) ? [SECRET, { [SECRET]: SECRET }] : filled(inner),
    ]),
  );
}

describe('isSecretName', () => {
  it.each([
    ...NAMES,
    ...['http_authorization', 'http_x_api_key', 'sent_http_set_cookie', 'request_Authorization'],
    ...['downstream_Set-Cookie', 'origin_Set-Cookie', 'http.request.header.authorization'],
    'X-Amz-Firehose-Access-Key',
  ])('knows %s', (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  it.each([
    ...['host', 'user-agent', 'api_key', 'apiKeyId', 'authorizer', 'request_id', 'http_', ''],
    ...['cookies_accepted', 'x-request-id', '__proto__', 'constructor'],
  ])('takes %p for no secret', (name) => {
    expect(isSecretName(name)).toBe(false);
  });
});

describe('isSecretParameter', () => {
  it.each([
    ...['api_key', 'apikey', 'apiKey', 'access_token', 'X-Vault-Token', 'key', 'client_secret'],
    ...['X-Amz-Signature', 'password', 'subscription-key', 'auth', 'sid'],
  ])('knows %s', (name) => {
    expect(isSecretParameter(name)).toBe(true);
  });

  it.each(['keyword', 'monkey', 'tokens', 'key_id', 'region', 'Idempotency-Key', '', 'author'])(
    'takes %p for no secret',
    (name) => {
      expect(isSecretParameter(name)).toBe(false);
    },
  );
});

describe('redact', () => {
  it.each([
    [
      '/a?api_key=hunter2&x=1&access_token=hunter2#f',
      `/a?api_key=${REDACTED}&x=1&access_token=${REDACTED}#f`,
    ],
    ['GET /a?x=1&key=hunter2 HTTP/1.1', `GET /a?x=1&key=${REDACTED} HTTP/1.1`],
    ['token=hunter2&region=eu', `token=${REDACTED}&region=eu`],
    ['https://user:hunter2@host/a?b', `https://${REDACTED}@host/a?b`],
    ['Bearer hunter2', `Bearer ${REDACTED}`],
    ['said "bearer hunter2x"', `said "bearer ${REDACTED}"`],
    ['Basic dXNlcjpodW50ZXIy', `Basic ${REDACTED}`],
    ['Host: a\r\nCookie: b=hunter2\r\nAccept: c', `Host: a\r\nCookie: ${REDACTED}\r\nAccept: c`],
  ])('makes the text %p %p', (text, expected) => {
    expect(redact({ kept: [text] })).toEqual({ kept: [expected] });
  });

  it.each([
    ...[
      'Basic Authentication',
      'Basic plan',
      'bearer of news',
      'GET /key?page=2&sort=key',
      'a=b',
      'me@example.org',
    ],
    ...['2026-11-21T10:00:00Z', '?=&==&key', 'host:port', '', 'lockey: x'],
  ])('leaves the text %p', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('knows secrets in lists of headers, and by the members that hold them', () => {
    const secrets = {
      list: [
        { name: 'Cookie', value: 'hunter2', comment: 'c' },
        { key: 'Host', value: 'h' },
      ],
      pairs: [
        ['Authorization', 'hunter2'],
        ['Host', 'h'],
      ],
      headers: { 'x-vault-token': ['hunter2'], 'content-length': '3', 'x-tokens': '5' },
      querystring: { api_key: 'hunter2', key: 5, page: '2' },
      'http.request.header.x-vault-token': 'hunter2',
      request_key: 'kept',
    };
    expect(redact(secrets)).toEqual({
      list: [
        { name: 'Cookie', value: REDACTED, comment: 'c' },
        { key: 'Host', value: 'h' },
      ],
      pairs: [
        ['Authorization', REDACTED],
        ['Host', 'h'],
      ],
      headers: { 'x-vault-token': REDACTED, 'content-length': '3', 'x-tokens': '5' },
      querystring: { api_key: REDACTED, key: 5, page: '2' },
      'http.request.header.x-vault-token': REDACTED,
      request_key: 'kept',
    });
  });

  it('replaces what is secret at any depth, and nothing else', () => {
    const number = new LosslessNumber('12345678901234567890');
    const record = { a: [{ Headers: { Cookie: ['x'], host: 'h' } }], number, none: null };
    expect(redact(record)).toEqual({
      a: [{ Headers: { Cookie: REDACTED, host: 'h' } }],
      number,
      none: null,
    });
  });

  it('leaves no secret anywhere', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const full = filled(value);
        expect(JSON.stringify(redact(full))).not.toContain(SECRET);
        expect(JSON.stringify(redactText(JSON.stringify({ cookie: full })))).not.toContain(
          `${SECRET}"]`,
        );
      }),
    );
  });

  it('ends at a depth that no record has', () => {
    let deep: unknown = SECRET;
    for (let level = 0; level < 10_000; level += 1) {
      deep = { deep };
    }
    expect(JSON.stringify(redact(deep))).toContain(REDACTED);
  });
});

describe('redactText', () => {
  it.each([
    ['{"authorization":"Bearer hunter2","a":1}', '{"authorization":"[redacted]","a":1}'],
    ['{"Authorization": ["hunter2","hunter2"], "a":1', '{"Authorization": "[redacted]", "a":1'],
    ['{"x-api-key":"hunter2', '{"x-api-key":"[redacted]"'],
    ['http_cookie=hunter2; b=hunter2', 'http_cookie="[redacted]"'],
    ["{'Set-Cookie': 'hunter2'}", `{'Set-Cookie': "[redacted]"}`],
    ['{"cookie":"a\\"hunter2"}', '{"cookie":"[redacted]"}'],
    ['Authorization: Basic hunter2\nHost: a', 'Authorization: "[redacted]"\nHost: a'],
    ['{"host":"a","path":"/cookie"}', '{"host":"a","path":"/cookie"}'],
    ['{"uri":"/a?key=hunter2&b=c","a', `{"uri":"/a?key=${REDACTED}&b=c","a`],
    ['{"head":"Host: a\\r\\nCookie: hunter2","a', `{"head":"Host: a\\r\\nCookie: "${REDACTED}","a`],
    ['{"auth":"Bearer hunter2","a', `{"auth":"Bearer ${REDACTED}","a`],
    ['{"name":"Cookie", "value":"hunter2"', `{"name":"Cookie", "value":"${REDACTED}"`],
    ['[["Authorization","hunter2"],["a","b"', `[["Authorization","${REDACTED}"],["a","b"`],
    [
      '{"key":"http.request.header.cookie","value":{"stringValue":"hunter2"}},{"key',
      `{"key":"http.request.header.cookie","value":{"stringValue":"${REDACTED}"}},{"key`,
    ],
  ])('makes %p %p', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });

  it.each([
    ['{"cookie":["hunter2","hunter2"],"host":["a"]}', '{"cookie":"[redacted]","host":["a"]}'],
    ['cookie=[hunter2 a],b=[c],cookie=[hunter2]', 'cookie="[redacted]",b=[c],cookie="[redacted]"'],
    ['cookie=[hunter2\n], a=[b]', 'cookie="[redacted]"\n], a=[b]'],
    [`cookie=[${'a,'.repeat(5_000)}hunter2]`, 'cookie="[redacted]"'],
    ['cookie="hunter2, cookie=hunter2, a', 'cookie="[redacted]", cookie="[redacted]", a'],
    ['cookie:', 'cookie:'],
    ['a cookie=,a', 'a cookie=,a'],
  ])('finds the end of what is secret, case %#', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });

  /** Steps of a text of 64 KB in which each part could make the rest be searched. */
  const PARTS = [
    ...[
      'cookie=[',
      'cookie=[,',
      'cookie="',
      'cookie="\\',
      '"cookie":\\',
      'cookie=\\",',
      'a_',
      ' ',
      '"',
    ],
    ...['a?', '&a=', 'basic ', 'bearer  ', '://a', '"cookie", ', '"cookie","value":{', 'a:b\n'],
    ...['cookie ', 'cookie_', '[cookie:', 'x_cookie=[\n', 'session_token', '\n"authorization"\t:['],
  ];

  it.each(PARTS)('searches no part of a text of %p twice', (part) => {
    const time = (length: number): number => {
      const text = part.repeat(length / part.length);
      const times = Array.from({ length: 5 }, () => {
        const startedAt = process.cpuUsage().user;
        for (let round = 0; round < 65_536 / length; round += 1) {
          redactText(text);
        }
        return process.cpuUsage().user - startedAt;
      });
      return Math.min(...times);
    };
    redactText(part.repeat(1_000));
    // As much text in one piece as in 32: four times is room for noise, searching anew would take 32.
    expect(time(65_536)).toBeLessThan(4 * time(2_048) + 20_000);
  });
});
