import { type TestDatabase } from '../support/database.js';
import { expectPaging, expectRefusal, expectScope, keyWith } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, eventually, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/sources';
const valid = { key: 'kong-eu', name: 'Kong', format: 'kong' };
const mapped = (mapping: unknown): object => ({ ...valid, mapping });
const ignoring = (...ignore: unknown[]): object => mapped({ ignore });
const filter = { property: '$.status', op: 'gte', value: 400 };

const WRONG_MAPPINGS: readonly (readonly [field: string, body: object, code: string])[] = [
  ['mapping', mapped(null), 'is_object'],
  ['mapping', mapped([]), 'is_object'],
  ['mapping', mapped('$.id'), 'is_object'],
  ['mapping.source', mapped({ source: '$.x' }), 'unknown_field'],
  ['mapping.id', mapped({ id: 'id' }), 'is_id_rule'],
  ['mapping.id', mapped({ id: '$.a[*]' }), 'is_id_rule'],
  ['mapping.id', mapped({ id: { join: [] } }), 'is_id_rule'],
  ['mapping.id', mapped({ id: { join: ['$.a'], by: '-' } }), 'is_id_rule'],
  ['mapping.id', mapped({ id: ['$.a'] }), 'is_id_rule'],
  ['mapping.subject', mapped({ subject: null }), 'is_subject_rule'],
  ['mapping.subject', mapped({ subject: [] }), 'is_subject_rule'],
  ['mapping.subject', mapped({ subject: ['$.a', 7] }), 'is_subject_rule'],
  [
    'mapping.subject',
    mapped({ subject: Array.from({ length: 9 }, () => '$.a') }),
    'is_subject_rule',
  ],
  ['mapping.type', mapped({ type: 'api.request' }), 'is_type_rule'],
  ['mapping.type', mapped({ type: { value: '' } }), 'is_type_rule'],
  ['mapping.type', mapped({ type: { value: 'a\0' } }), 'is_type_rule'],
  ['mapping.type', mapped({ type: null }), 'is_type_rule'],
  ['mapping.time', mapped({ time: { path: '$.t', unit: 'min' } }), 'is_time_rule'],
  ['mapping.time', mapped({ time: { unit: 'ms' } }), 'is_time_rule'],
  ['mapping.time', mapped({ time: 5 }), 'is_time_rule'],
  ['mapping.data', mapped({ data: null }), 'is_data_rule'],
  ['mapping.data', mapped({ data: ['$.a'] }), 'is_data_rule'],
  ['mapping.data', mapped({ data: { bytes: 'bytes' } }), 'is_data_rule'],
  ['mapping.data', mapped({ data: { 'a b': '$.a' } }), 'is_data_rule'],
  [
    'mapping.data',
    mapped({ data: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`f${n}`, '$.a'])) }),
    'is_data_rule',
  ],
  [
    'mapping.data',
    mapped({ data: { auth: '$.request.headers.Authorization' } }),
    'keeps_no_secret',
  ],
  ['mapping.data', mapped({ data: { a: "$.request.headers['Set-Cookie'].x" } }), 'keeps_no_secret'],
  ['mapping.data', mapped({ data: "$['http_x_api_key']" }), 'keeps_no_secret'],
  ['mapping.subject', mapped({ subject: ["$.headers['X-Api-Key']"] }), 'keeps_no_secret'],
  ['mapping.id', mapped({ id: { join: ['$.a', '$.request_Cookie'] } }), 'keeps_no_secret'],
  ['mapping.sequence', mapped({ sequence: 'n' }), 'is_sequence_rule'],
  ['mapping.sequence', mapped({ sequence: { of: '$.node' } }), 'is_sequence_rule'],
  ['mapping.sequence', mapped({ sequence: { path: '$.n', of: null } }), 'is_sequence_rule'],
  ['mapping.sequence', mapped({ sequence: { path: '$.n', of: { join: [] } } }), 'is_sequence_rule'],
  ['mapping.sequence', mapped({ sequence: { path: '$.n', by: '$.x' } }), 'is_sequence_rule'],
  [
    'mapping.sequence',
    mapped({ sequence: { path: '$.n', of: '$.headers.cookie' } }),
    'keeps_no_secret',
  ],
  ['mapping.ignore', mapped({ ignore: 'none' }), 'is_array'],
  ['mapping.ignore', ignoring(...Array.from({ length: 21 }, () => filter)), 'array_max_size'],
  ['mapping.ignore.0.property', ignoring({ ...filter, property: 'status' }), 'is_property_path'],
  ['mapping.ignore.1.op', ignoring(filter, { ...filter, op: 'like' }), 'is_in'],
  ['mapping.ignore.0.value', ignoring({ ...filter, value: '400' }), 'is_filter_value'],
  ['mapping.ignore.0.value', ignoring({ ...filter, op: 'in' }), 'is_filter_value'],
  ['mapping.ignore.0.value', ignoring({ ...filter, op: 'in', value: [] }), 'is_filter_value'],
  ['mapping.ignore.0.value', ignoring({ ...filter, op: 'exists' }), 'is_filter_value'],
  ['mapping.ignore.0.value', ignoring({ ...filter, op: 'prefix' }), 'is_filter_value'],
  ['mapping.ignore.0.value', ignoring({ property: '$.a', op: 'eq' }), 'is_filter_value'],
  ['mapping.ignore.0.extra', ignoring({ ...filter, extra: 1 }), 'unknown_field'],
];

describe('sources', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;

  const patch = async (key: string, body: unknown): Promise<Answer> =>
    await service.request('PATCH', `${PATH}/${key}`, { body });

  beforeAll(async () => {
    ({ service, db, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it.each<readonly [string, object, string]>([
    ['key', { ...valid, key: undefined }, 'is_key'],
    ['key', { ...valid, key: 'Upper' }, 'is_key'],
    ['key', { ...valid, key: 'x'.repeat(65) }, 'is_key'],
    ['name', { ...valid, name: null }, 'is_text'],
    ['name', { ...valid, name: 'x'.repeat(201) }, 'is_text'],
    ['format', { ...valid, format: 'envoy-2' }, 'is_in'],
    ['format', { ...valid, format: undefined }, 'is_in'],
    ['format', { ...valid, format: ['kong'] }, 'is_in'],
    ['token_in', { ...valid, token_in: 'header' }, 'is_token_place'],
    ['token_in', { ...valid, token_in: {} }, 'is_token_place'],
    ['token_in', { ...valid, token_in: { header: 'a', query: 'b' } }, 'is_token_place'],
    ['token_in', { ...valid, token_in: { header: 'a b' } }, 'is_token_place'],
    ['token_in', { ...valid, token_in: { query: 7 } }, 'is_token_place'],
    ['token_in', { ...valid, token_in: { cookie: 'token' } }, 'is_token_place'],
    ['expected_every', { ...valid, expected_every: 59 }, 'min'],
    ['expected_every', { ...valid, expected_every: 2_592_001 }, 'max'],
    ['expected_every', { ...valid, expected_every: 60.5 }, 'is_int'],
    ['expected_every', { ...valid, expected_every: '60' }, 'is_int'],
    ['gap_grace', { ...valid, gap_grace: -1 }, 'min'],
    ['gap_grace', { ...valid, gap_grace: 86_401 }, 'max'],
    ['gap_grace', { ...valid, gap_grace: 1.5 }, 'is_int'],
    ['gap_grace', { ...valid, gap_grace: null }, 'is_int'],
    ['rejecting', { ...valid, rejecting: '0.1' }, 'is_object'],
    ['rejecting.share', { ...valid, rejecting: {} }, 'is_share'],
    ['rejecting.share', { ...valid, rejecting: { share: 0.1 } }, 'is_share'],
    ['rejecting.share', { ...valid, rejecting: { share: '0.0' } }, 'is_share'],
    ['rejecting.share', { ...valid, rejecting: { share: '1.1' } }, 'is_share'],
    ['rejecting.share', { ...valid, rejecting: { share: '0.00001' } }, 'is_share'],
    ['rejecting.min_records', { ...valid, rejecting: { share: '1', min_records: 0 } }, 'min'],
    ['rejecting.min_records', { ...valid, rejecting: { share: '1', min_records: null } }, 'is_int'],
    [
      'rejecting.window_seconds',
      { ...valid, rejecting: { share: '1', window_seconds: 90 } },
      'is_whole_minutes',
    ],
    [
      'rejecting.window_seconds',
      { ...valid, rejecting: { share: '1', window_seconds: 3_660 } },
      'max',
    ],
    ['rejecting.window_seconds', { ...valid, rejecting: { share: '1', window_seconds: 0 } }, 'min'],
    ['rejecting_since', { ...valid, rejecting_since: null }, 'unknown_field'],
    ['last_event_at', { ...valid, last_event_at: null }, 'unknown_field'],
    ['id', { ...valid, id: 'src_1' }, 'unknown_field'],
    ...WRONG_MAPPINGS,
  ])('names %s when it is wrong, and stores nothing: %j', async (field, body, code) => {
    expectRefusal(await service.post(PATH, body), field, code);
    expect((await service.get(PATH)).body.data).toEqual([]);
  });

  it.each(['', '{', '[]', 'null', '"x"', '7', '{"__proto__":{"key":"x"}}'])(
    'refuses the body %p',
    async (body) => {
      for (const path of [PATH, `${PATH}/preview`, `${PATH}/x/tokens`]) {
        const answer = await service.request('POST', path, { body });
        expect([path, answer.status]).toEqual([path, 400]);
      }
      expect((await service.get(PATH)).body.data).toEqual([]);
    },
  );

  it('asks for the right scope', async () => {
    for (const [scope, method, path, body] of [
      ['configure', 'POST', PATH, valid],
      ['read', 'GET', PATH],
      ['read', 'GET', `${PATH}/x`],
      ['configure', 'PATCH', `${PATH}/x`, {}],
      ['configure', 'DELETE', `${PATH}/x`],
      ['configure', 'POST', `${PATH}/preview`, { format: 'json', record: {} }],
      ['configure', 'POST', `${PATH}/x/tokens`, { name: 'n' }],
      ['read', 'GET', `${PATH}/x/tokens`],
      ['configure', 'DELETE', `${PATH}/x/tokens/key_1`],
    ] as const) {
      await expectScope(
        service,
        scope,
        async (key) =>
          await service.request(method, path, { key, ...(body !== undefined && { body }) }),
      );
    }
    expect((await service.get(PATH)).body.data).toEqual([]);
  });

  it('answers what was made, and finds it by key and by id', async () => {
    const body = {
      key: 'everything',
      name: 'All of it',
      format: 'kong',
      mapping: {
        id: { join: ['$.request.id', "$['odd name']"] },
        subject: ['$.consumer.id', '$.consumer.username'],
        type: { value: 'call' },
        time: { path: '$.started_at', unit: 'ms' },
        data: { bytes: '$.response.size' },
        ignore: [filter, { property: '$.a', op: 'in', value: ['b', 1, true] }],
      },
      token_in: { header: 'X-My-Token' },
    };
    const created = await service.post(PATH, body);
    expect(created).toMatchObject({
      status: 201,
      body: {
        ...body,
        effective_mapping: body.mapping,
        token_in: { header: 'x-my-token' },
        archived_at: null,
      },
    });
    expect(created.body.id).toMatch(/^src_/);
    expect((await service.get(`${PATH}/everything`)).body).toEqual(created.body);
    expect((await service.get(`${PATH}/${created.body.id}`)).body).toEqual(created.body);
    expect(await service.post(PATH, body)).toMatchObject({
      status: 409,
      body: { code: 'key_taken' },
    });
  });

  it('shows what is in force of the mapping of its format', async () => {
    const { body } = await service.post(PATH, {
      ...valid,
      key: 'partly',
      mapping: { subject: '$.consumer.username', time: null },
    });
    expect(body.mapping).toEqual({ subject: '$.consumer.username', time: null });
    expect(body.effective_mapping).toMatchObject({
      ...{ id: '$.request.id', subject: '$.consumer.username', time: null },
      ...{ type: { value: 'api.request' }, data: { status: '$.response.status' }, ignore: [] },
    });
  });

  it('makes one source for one Idempotency-Key, and one token, which it does not show again', async () => {
    const post = async (path: string, body: object, key: string): Promise<Answer> =>
      await service.request('POST', path, { body, headers: { 'idempotency-key': key } });
    const body = { ...valid, key: 'once' };
    const first = await post(PATH, body, 'a');
    expect((await post(PATH, body, 'a')).body).toEqual(first.body);
    const token = await post(`${PATH}/once/tokens`, { name: 'n' }, 'b');
    const again = await post(`${PATH}/once/tokens`, { name: 'n' }, 'b');
    expect(again.body).toEqual({ ...token.body, token: null });
  });

  it('changes the name, the mapping and the place of tokens, and nothing else', async () => {
    const { body: created } = await service.post(PATH, {
      ...valid,
      key: 'changing',
      mapping: { time: null },
      token_in: { query: 't' },
    });
    expectRefusal(await patch('changing', { name: null }), 'name', 'is_text');
    expectRefusal(await patch('changing', { key: 'x' }), 'key', 'unknown_field');
    expectRefusal(await patch('changing', { format: 'json' }), 'format', 'unknown_field');
    expectRefusal(await patch('changing', { mapping: null }), 'mapping', 'is_object');
    expectRefusal(await patch('changing', { mapping: { id: 1 } }), 'mapping.id', 'is_id_rule');
    expectRefusal(await patch('changing', { token_in: [] }), 'token_in', 'is_token_place');
    expect((await service.get(`${PATH}/changing`)).body).toEqual(created);
    expect((await patch('changing', {})).body).toEqual(created);
    expect((await patch('changing', { name: 'New' })).body).toEqual({ ...created, name: 'New' });
    const changed = await patch('changing', { mapping: { id: null }, token_in: null });
    expect(changed.body).toMatchObject({
      mapping: { id: null },
      effective_mapping: { id: null, time: { path: '$.started_at', unit: 'ms' } },
      token_in: null,
    });
  });

  it('shows how often a source is expected to send, and when it did', async () => {
    const body = { ...valid, key: 'expected', format: 'json', expected_every: 60 };
    const { body: created } = await service.post(PATH, body);
    expect(created).toMatchObject({ expected_every: 60, last_event_at: null, silent_since: null });
    const refused = await patch('expected', { expected_every: 0 });
    expectRefusal(refused, 'expected_every', 'min');
    expect((await patch('expected', { name: 'x' })).body.expected_every).toBe(60);
    expect((await patch('expected', { expected_every: null })).body.expected_every).toBeNull();
    const send = async (record: object): Promise<string | null> => {
      await service.post(`${PATH}/expected/events`, record);
      return (await service.get(`${PATH}/expected`)).body.last_event_at;
    };
    expect(await send({ id: 'refused' })).toBeNull();
    const before = Date.now();
    expect(Date.parse((await send({ id: 'a', subject: 's' })) ?? '')).toBeGreaterThanOrEqual(
      before,
    );
  });

  it('sends a message when much of one is refused', async () => {
    const rejecting = { share: '0.5', min_records: 2, window_seconds: 60 };
    const { body: created } = await service.post(PATH, {
      ...{ key: 'rejecting', name: 'x', format: 'openmeter', rejecting },
    });
    const quiet = { rejecting, rejecting_since: null, rejected_share: null, gap_grace: 300 };
    expect(created).toMatchObject(quiet);
    const { token } = (await service.post(`${PATH}/rejecting/tokens`, { name: 'n' })).body;
    // By the way of another service's client, and once with what nobody can read.
    for (const body of [[{ id: 'refused' }, { id: 'as well' }], '{']) {
      await service.request('POST', '/compat/openmeter/api/v1/events', {
        ...{ body, key: token },
        headers: { 'content-type': 'application/cloudevents-batch+json' },
      });
    }
    const message = await eventually(async () => {
      const { body } = await service.get('/api/v1/webhook-messages');
      return body.data.find(({ type }: { type: string }) => type === 'source.rejecting');
    });
    expect(message).toBeDefined();
    const { body: shown } = await service.get(`${PATH}/rejecting`);
    expect(shown.rejecting_since).not.toBeNull();
    expect(shown.rejected_share).toBe('1.0000');
    const changed = await patch('rejecting', { rejecting: { share: '1' }, gap_grace: 0 });
    expect(changed.body).toMatchObject({
      rejecting: { share: '1', min_records: 100, window_seconds: 300 },
      gap_grace: 0,
    });
    expect((await patch('rejecting', { rejecting: null })).body).toMatchObject({
      ...{ rejecting: null, rejecting_since: null, rejected_share: null },
    });
  });

  it('sends a message when one is silent', async () => {
    await service.post(PATH, { ...valid, key: 'silent', expected_every: 60 });
    await db.database.query(
      `UPDATE sources SET expected_since = expected_since - interval '66 seconds' WHERE key = 'silent'`,
    );
    const message = await eventually(async () => {
      const { body } = await service.get('/api/v1/webhook-messages');
      return body.data.find(({ type }: { type: string }) => type === 'source.silent');
    });
    expect(message).toBeDefined();
    expect((await service.get(`${PATH}/silent`)).body.silent_since).not.toBeNull();
  });

  it('archives: nothing more is taken, and the key stays taken', async () => {
    await service.post(PATH, { ...valid, key: 'old', format: 'json' });
    const { body: token } = await service.post(`${PATH}/old/tokens`, { name: 'n' });
    const sendAs = async (key?: string): Promise<Answer> =>
      await service.request('POST', `${PATH}/old/events`, {
        body: { id: 'a', subject: 's' },
        ...(key !== undefined && { key }),
      });
    expect((await sendAs(token.token)).status).toBe(200);
    const archive = async (): Promise<Answer> => await service.request('DELETE', `${PATH}/old`);
    const archived = await archive();
    expect(archived).toMatchObject({ status: 200, body: { key: 'old' } });
    expect(archived.body.archived_at).not.toBeNull();
    expect((await archive()).body).toEqual(archived.body);
    expect((await sendAs(token.token)).status).toBe(401);
    const refusal = { status: 409, body: { code: 'source_archived' } };
    expect(await sendAs()).toMatchObject(refusal);
    expect(await patch('old', { name: 'x' })).toMatchObject(refusal);
    expect(await service.post(`${PATH}/old/tokens`, { name: 'n' })).toMatchObject(refusal);
    expect(await service.post(PATH, { ...valid, key: 'old' })).toMatchObject({ status: 409 });
  });

  it.each(['nobody', '%25', '%F0%9F%98%80', 'x'.repeat(400)])(
    'answers 404 for the source %p',
    async (key) => {
      for (const [method, path, body] of [
        ['GET', `${PATH}/${key}`],
        ['PATCH', `${PATH}/${key}`, { name: 'x' }],
        ['DELETE', `${PATH}/${key}`],
        ['POST', `${PATH}/${key}/events`, { id: 'x' }],
        ['POST', `${PATH}/${key}/tokens`, { name: 'x' }],
        ['GET', `${PATH}/${key}/tokens`],
        ['DELETE', `${PATH}/${key}/tokens/key_1`],
      ] as const) {
        const answer = await service.request(method, path, { ...(body !== undefined && { body }) });
        expect([method, path, answer.status]).toEqual([method, path, 404]);
      }
    },
  );

  it('lists page by page', async () => {
    await expectPaging(service, PATH);
  });

  describe('tokens', () => {
    beforeAll(async () => {
      await service.post(PATH, { ...valid, key: 'with-tokens' });
      await service.post(PATH, { ...valid, key: 'without' });
    });

    it.each([
      ['name', {}, 'is_text'],
      ['name', { name: '' }, 'is_text'],
      ['name', { name: 7 }, 'is_text'],
      ['scopes', { name: 'n', scopes: ['admin'] }, 'is_in'],
      ['scopes', { name: 'n', scopes: [] }, 'array_not_empty'],
      ['scopes', { name: 'n', scopes: ['bill', 'bill'] }, 'array_unique'],
      ['scopes', { name: 'n', scopes: 'bill' }, 'is_array'],
    ])('names %s when it is wrong: %j', async (field, body, code) => {
      expectRefusal(await service.post(`${PATH}/with-tokens/tokens`, body), field, code);
    });

    it('are shown once, listed for their source, and can be revoked', async () => {
      const path = `${PATH}/with-tokens/tokens`;
      const created = await service.post(path, { name: 'gateway 1' });
      expect(created).toMatchObject({ status: 201, body: { name: 'gateway 1', revoked_at: null } });
      const { id, token } = created.body;
      const listed = await service.get(path);
      expect(listed.body.data).toMatchObject([{ id, name: 'gateway 1', hint: token.slice(0, 8) }]);
      expect(JSON.stringify(listed.body)).not.toContain(token);
      expect((await service.get(`${PATH}/without/tokens`)).body.data).toEqual([]);
      const [key] = (await service.get('/api/v1/api-keys')).body.data;
      expect(key).toMatchObject({
        id,
        scopes: ['ingest'],
        source_id: expect.stringMatching(/^src_/),
      });
      const revoke = async (of: string): Promise<Answer> =>
        await service.request('DELETE', `${PATH}/${of}/tokens/${id}`);
      expect(await revoke('without')).toMatchObject({ status: 404 });
      expect((await revoke('with-tokens')).body.revoked_at).not.toBeNull();
      expect(await revoke('with-tokens')).toMatchObject({ status: 404 });
      expect(
        await service.request('POST', `${PATH}/with-tokens/events`, { key: token, body: {} }),
      ).toMatchObject({ status: 401 });
      await expectPaging(service, path);
    });
  });

  describe('tokens with the scope bill', () => {
    it('are given by keys that have it only, and open nothing else', async () => {
      await service.post(PATH, { ...valid, key: 'taking-back' });
      const path = `${PATH}/taking-back/tokens`;
      const body = { name: 'n', scopes: ['ingest', 'bill'] };
      const lacking = await keyWith(service, 'configure', 'ingest', 'read');
      expect(await service.request('POST', path, { key: lacking, body })).toMatchObject({
        ...{ status: 403, body: { code: 'missing_scope' } },
      });
      const having = await keyWith(service, 'configure', 'bill');
      const created = await service.request('POST', path, { key: having, body });
      expect(created).toMatchObject({ status: 201, body: { scopes: ['ingest', 'bill'] } });
      const { token: key } = created.body;
      const identity = { source: 'taking-back', id: 'x', reason: 'r' };
      expect(
        await service.request('POST', '/api/v1/events/void', { key, body: identity }),
      ).toMatchObject({ status: 403, body: { code: 'bound_to_source' } });
    });
  });

  describe('POST /api/v1/sources/preview', () => {
    const preview = async (body: unknown): Promise<Answer> =>
      await service.post(`${PATH}/preview`, body);
    const record = { id: 'r', subject: 's', time: new Date().toISOString(), data: { n: 1 } };

    it.each<[string, object, string]>([
      ['format', { record }, 'is_in'],
      ['format', { format: 'none', record }, 'is_in'],
      ['record', { format: 'json' }, 'is_one_record'],
      ['record', { format: 'json', record: 7 }, 'is_one_record'],
      ['record', { format: 'json', record: null }, 'is_one_record'],
      ['record', { format: 'json', record: '' }, 'is_one_record'],
      ['record', { format: 'json', record: [record, record] }, 'is_one_record'],
      ['record', { format: 'json', record: '{}\n{}' }, 'is_one_record'],
      ['mapping.id', { format: 'json', record, mapping: { id: 7 } }, 'is_id_rule'],
      ['source', { format: 'json', record, source: 'x' }, 'unknown_field'],
    ])('names %s when it is wrong: %j', async (field, body, code) => {
      expectRefusal(await preview(body), field, code);
    });

    it('shows the event, and stores nothing', async () => {
      const answer = await preview({
        format: 'json',
        record: '{"id":"r","subject":7,"data":{"n":12345678901234567890.5}}',
        mapping: { type: { value: 'call' } },
      });
      expect(answer).toMatchObject({
        status: 200,
        body: { outcome: 'event', event: { id: 'r', type: 'call', subject: '7' } },
      });
      expect((await preview({ format: 'json', record })).body.event.data).toEqual({ n: 1 });
      expect((await service.get('/api/v1/events?source=preview')).body.data).toEqual([]);
    });

    it.each<[string, object, object]>([
      [
        'a line of text',
        {
          format: 'nginx-combined',
          record: `127.0.0.1 - acme [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 12 "-" "curl"`,
        },
        { outcome: 'rejected', code: 'time_too_old' },
      ],
      [
        'what is ignored',
        { format: 'json', record, mapping: { ignore: [{ property: '$.id', op: 'exists' }] } },
        { outcome: 'ignored' },
      ],
      [
        'what has no subject',
        { format: 'json', record: { id: 'x' } },
        { outcome: 'rejected', code: 'missing_subject' },
      ],
      [
        'what is no time',
        { format: 'json', record: { ...record, time: 'yesterday' } },
        { outcome: 'rejected', code: 'invalid_time' },
      ],
      [
        'what is no JSON',
        { format: 'json', record: '{' },
        { outcome: 'rejected', code: 'invalid_json' },
      ],
      [
        'what is no line',
        { format: 'nginx-combined', record: 'x' },
        { outcome: 'rejected', code: 'invalid_line' },
      ],
      [
        'what is no object',
        { format: 'json', record: '[7]' },
        { outcome: 'rejected', code: 'not_an_object' },
      ],
    ])('says what becomes of %s', async (_, body, expected) => {
      expect((await preview(body)).body).toMatchObject(expected);
    });
  });
});
