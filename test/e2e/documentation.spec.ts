import { Validator } from '@seriousme/openapi-schema-validator';
import { type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

interface Operation {
  readonly requestBody?: { content: Record<string, { schema?: object }> };
  readonly responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}

/** Routes that answer pages or figures for programs that know their form. */
const UNDESCRIBED = /^\/(?:health|metrics|docs|webhooks\/stripe)/;

describe('GET /openapi.json', () => {
  let service: TestService;
  let close: () => Promise<void>;
  let document: { openapi: string; paths: Record<string, Record<string, Operation>> };

  beforeAll(async () => {
    ({ service, close } = await startFresh({ LOG_LEVEL: 'debug' }));
    document = (await service.get('/openapi.json')).body;
  });

  afterAll(async () => {
    await close();
  });

  it('needs no key, and is a valid OpenAPI 3.1 document', async () => {
    const answer = await service.request('GET', '/openapi.json', { key: null });
    expect(answer.status).toBe(200);
    expect(document.openapi).toMatch(/^3\.1\./);
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  it('says null in the way of 3.1', () => {
    expect(JSON.stringify(document)).not.toContain('"nullable"');
    const customer = JSON.stringify(document);
    expect(customer).toContain('"null"');
  });

  it('has every route of the service', () => {
    const mapped = service.log
      .map((entry) => /^Mapped \{(\S+), (\w+)\} route$/.exec(String(entry['message'])))
      .flatMap((match) => (match === null ? [] : [`${match[2] ?? ''} ${match[1] ?? ''}`]));
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(mapped.length).toBeGreaterThan(10);
    expect(described.toSorted()).toEqual(
      mapped.map((route) => route.replaceAll(/:(\w+)/g, '{$1}')).toSorted(),
    );
  });

  it('describes what each route of the API takes and answers', () => {
    const incomplete = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([method, operation]) => !UNDESCRIBED.test(path) && !isDescribed(method, operation))
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect(incomplete).toEqual([]);
  });
});

function isDescribed(method: string, { requestBody, responses }: Operation): boolean {
  const success = Object.entries(responses).filter(([status]) => status.startsWith('2'));
  const answers = success.every(
    ([status, { content }]) => status === '204' || hasSchema(content?.['application/json']?.schema),
  );
  const isBodyDescribed =
    requestBody === undefined ||
    Object.values(requestBody.content).every(({ schema }) => hasSchema(schema));
  const needsBody = method === 'put' || method === 'patch';
  return (
    success.length > 0 && answers && isBodyDescribed && (!needsBody || requestBody !== undefined)
  );
}

/** An object of which nothing is said is no description. */
function hasSchema(schema: object | undefined): boolean {
  return (
    schema !== undefined &&
    ('$ref' in schema || 'items' in schema || 'properties' in schema || 'oneOf' in schema)
  );
}

describe('GET /docs', () => {
  it('is a page to read it', async () => {
    const { service, close } = await startFresh();
    const answer = await service.request('GET', '/docs', { key: null });
    await close();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch('text/html');
    expect(answer.body).toContain('swagger');
  });
});
