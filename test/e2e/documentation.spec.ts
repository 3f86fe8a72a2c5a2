/*
 * Aim: the document is complete and true for every route, also for those that are yet to come.
 * Method: rules over all operations of the document, and requests to each that hold it against what
 * the service really refuses.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { keyWith } from '../support/refusals.js';
import { type Answer, type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly properties?: Record<string, Schema>;
}

interface Response {
  readonly description: string;
  readonly headers?: Record<string, object>;
  readonly content?: Record<string, { schema?: Schema }>;
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: string[];
  readonly security: Record<string, string[]>[];
  readonly parameters: Parameter[];
  readonly requestBody?: { content: Record<string, { schema?: Schema }> };
  readonly responses: Record<string, Response>;
}

interface Document {
  readonly openapi: string;
  readonly tags: { name: string; description: string }[];
  readonly components: {
    readonly schemas: Record<string, Schema & { required: string[] }>;
    readonly securitySchemes: Record<string, object>;
  };
  readonly paths: Record<string, Record<string, Operation>>;
}

/** An operation and where it stands. */
interface Route extends Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
}

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const SCOPES = ['ingest', 'read', 'configure', 'bill', 'admin'];
const MAX_SUMMARY_LENGTH = 120;
const MAX_BODY_BYTES = 1_100_000;
const UNKNOWN_ID = 'nothing';

let service: TestService;
let close: () => Promise<void>;
let document: Document;
let routes: Route[];

beforeAll(async () => {
  ({ service, close } = await startFresh({
    LOG_LEVEL: 'debug',
    INGEST_MAX_BODY_BYTES: String(MAX_BODY_BYTES),
  }));
  document = (await service.get('/openapi.json')).body;
  routes = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`;
      return { ...operation, method: method.toUpperCase(), path, name };
    }),
  );
});

afterAll(async () => {
  await close();
});

/** The names of the routes that break a rule. */
function breaking(rule: (route: Route) => boolean): string[] {
  return routes.filter((route) => !rule(route)).map(({ name }) => name);
}

const isPublic = ({ security }: Route): boolean => security.length === 0;
const scopeOf = ({ security }: Route): string => security[0]?.['bearer']?.[0] ?? '';
const named = (route: Route, place: string): string[] =>
  route.parameters.filter((parameter) => parameter.in === place).map(({ name }) => name);
const successesOf = (route: Route): [string, Response][] =>
  Object.entries(route.responses).filter(([status]) => status.startsWith('2'));
const hasRefusal = (route: Route, status: number): boolean => String(status) in route.responses;
const isList = (route: Route): boolean =>
  successesOf(route).some(([, { content }]) => {
    const schema = content?.['application/json']?.schema;
    const name = schema?.$ref?.split('/').at(-1) ?? '';
    return (
      'next_cursor' in (schema?.properties ?? document.components.schemas[name]?.properties ?? {})
    );
  });

describe('GET /openapi.json', () => {
  it('needs no key, and is a valid OpenAPI 3.1 document', async () => {
    const answer = await service.request('GET', '/openapi.json', { key: null });
    expect(answer.status).toBe(200);
    expect(document.openapi).toMatch(/^3\.1\./);
    const result = await new Validator().validate(structuredClone(answer.body));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  it('says null in the way of 3.1', () => {
    expect(JSON.stringify(document)).not.toContain('"nullable"');
    expect(JSON.stringify(document)).toContain('"null"');
  });

  it('has every route of the service', () => {
    const mapped = service.log
      .map((entry) => /^Mapped \{(\S+), (\w+)\} route$/.exec(String(entry['message'])))
      // What refuses all the rest of an API is no route of it.
      .filter((match) => match?.[2] !== 'ALL')
      .flatMap((match) => (match === null ? [] : [`${match[2] ?? ''} ${match[1] ?? ''}`]));
    expect(mapped.length).toBeGreaterThan(10);
    expect(routes.map(({ name }) => name).toSorted()).toEqual(
      mapped.map((route) => route.replaceAll(/:(\w+)/g, '{$1}')).toSorted(),
    );
  });

  it('reads every class that requests and answers are made of', () => {
    const { compilerOptions } = JSON.parse(readFileSync('nest-cli.json', 'utf8'));
    const suffixes: string[] = compilerOptions.plugins[0].options.dtoFileNameSuffix;
    const strangers = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !suffixes.some((suffix) => file.includes(suffix)))
      .filter((file) => {
        const text = readFileSync(`${SRC}/${file}`, 'utf8');
        return /\bclass \w+(?:Dto|Query|Body|Response)\b/.test(text);
      });
    expect(strangers).toEqual([]);
  });
});

describe('every route', () => {
  it('has an operationId of its own that says what it does', () => {
    expect(
      breaking(({ operationId }) => /^[a-z][A-Za-z]*_[a-z][A-Za-z]*$/.test(operationId)),
    ).toEqual([]);
    expect(new Set(routes.map(({ operationId }) => operationId)).size).toBe(routes.length);
  });

  it('has a summary of one sentence, and a description', () => {
    expect(
      breaking(
        ({ summary, description }) =>
          /^[A-Z].*[.?]$/.test(summary) &&
          summary.length <= MAX_SUMMARY_LENGTH &&
          description.length > 0,
      ),
    ).toEqual([]);
  });

  it('stands under one heading, and each heading has routes and says what they are', () => {
    const headings = document.tags.map(({ name }) => name);
    expect(breaking(({ tags }) => tags.length === 1 && headings.includes(tags[0] ?? ''))).toEqual(
      [],
    );
    expect(headings.filter((name) => !routes.some(({ tags }) => tags.includes(name)))).toEqual([]);
    expect(document.tags.filter(({ description }) => !/^.{10,80}\.$/.test(description))).toEqual(
      [],
    );
  });

  it('describes what it takes and answers', () => {
    expect(breaking(isDescribed)).toEqual([]);
    expect(breaking(({ parameters }) => parameters.every(({ schema }) => schema?.type))).toEqual(
      [],
    );
  });

  it('says of each parameter what it is', () => {
    expect(
      breaking(({ parameters }) =>
        parameters.every(({ description = '' }) => /^.{5,}[.;]/s.test(description)),
      ),
    ).toEqual([]);
  });

  it('describes each answer, and every refusal as a problem', () => {
    expect(
      breaking(({ responses }) =>
        Object.entries(responses).every(
          ([status, { description, content }]) =>
            description.length > 2 && (Number(status) < 400 || isProblem(content)),
        ),
      ),
    ).toEqual([]);
    const { Problem: problem, FieldProblem: field } = document.components.schemas;
    expect(problem?.required).toEqual(['type', 'title', 'status', 'code', 'detail']);
    expect(Object.keys(problem?.properties ?? {})).toContain('errors');
    expect(field?.required).toEqual(['field', 'code', 'detail']);
  });

  it('says how long to wait after a 503, and how to show a key after a 401', () => {
    const says = ({ responses }: Route, status: number, header: string): boolean =>
      !(status in responses) || header in (responses[status]?.headers ?? {});
    expect(
      breaking((route) => says(route, 503, 'Retry-After') && says(route, 401, 'WWW-Authenticate')),
    ).toEqual([]);
  });

  it('takes limit and cursor when it is a list, and only then', () => {
    const paging = ['limit', 'cursor'];
    expect(routes.filter(isList).length).toBeGreaterThan(10);
    expect(
      breaking((route) =>
        paging.every((name) => named(route, 'query').includes(name) === isList(route)),
      ),
    ).toEqual([]);
    expect(
      breaking(({ parameters }) =>
        parameters.every(({ name, required }) => !paging.includes(name) || required !== true),
      ),
    ).toEqual([]);
  });

  it('names the parameters of its path', () => {
    const inPath = (path: string): string[] =>
      [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    expect(
      breaking((route) => named(route, 'path').join(',') === inPath(route.path).join(',')),
    ).toEqual([]);
  });
});

describe('every route that needs a key', () => {
  it('says by which scheme and scope, also in words', () => {
    expect(document.components.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer', description: expect.any(String) },
    });
    expect(
      breaking(
        (route) =>
          isPublic(route) ||
          (route.security.length === 1 &&
            SCOPES.includes(scopeOf(route)) &&
            route.description.includes(`\`${scopeOf(route)}\``)),
      ),
    ).toEqual([]);
  });

  it('answers 401 without one, and says so; the others do neither', async () => {
    for (const route of routes) {
      const { status } = await call(route, { key: null });
      expect([route.name, status === 401]).toEqual([route.name, !isPublic(route)]);
      expect([route.name, hasRefusal(route, 401)]).toEqual([route.name, !isPublic(route)]);
    }
  });

  it('answers 403 to a key that has every scope but the one it names', async () => {
    const keys = new Map<string, string>();
    for (const scope of SCOPES) {
      const others = SCOPES.filter((other) => other !== scope && other !== 'admin');
      keys.set(scope, await keyWith(service, ...others));
    }
    for (const route of routes.filter((each) => !isPublic(each))) {
      const { status } = await call(route, { key: keys.get(scopeOf(route)) ?? null });
      expect([route.name, status]).toEqual([route.name, 403]);
      expect([route.name, hasRefusal(route, 403)]).toEqual([route.name, true]);
    }
  });
});

describe('what a route refuses', () => {
  it('is a conflict when an Idempotency-Key is used again, which is a header of just those that take one', async () => {
    for (const route of routes.filter(({ method }) => method === 'POST')) {
      const { body } = await call(route, { headers: { 'idempotency-key': 'k'.repeat(256) } });
      const takesKey = body.errors?.[0]?.code === 'invalid_idempotency_key';
      const isNamed = named(route, 'header').includes('Idempotency-Key');
      expect([route.name, isNamed]).toEqual([route.name, takesKey]);
      expect([route.name, !takesKey || hasRefusal(route, 409)]).toEqual([route.name, true]);
    }
    expect(
      breaking(
        (route) => route.method === 'POST' || !named(route, 'header').includes('Idempotency-Key'),
      ),
    ).toEqual([]);
  });

  it('is 404 for an id that is none, where there is one in the path', async () => {
    expect(breaking((route) => hasRefusal(route, 404) === route.path.includes('{'))).toEqual([]);
    const needsMore = ({ requestBody, parameters }: Route): boolean =>
      requestBody !== undefined ||
      parameters.some((parameter) => parameter.in === 'query' && parameter.required === true);
    for (const route of routes.filter((each) => !needsMore(each))) {
      const { status } = await call(route);
      expect([route.name, status === 404]).toEqual([route.name, route.path.includes('{')]);
    }
  });

  it('is a conflict of which the document names the code', () => {
    const coded = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(`${SRC}/${file}`, 'utf8').matchAll(/\bconflict\(\s*'(\w+)'/g),
      ])
      .map((match) => match[1] ?? '');
    const named409 = routes
      .flatMap(({ responses }) => [...(responses[409]?.description ?? '').matchAll(/`(\w+)`/g)])
      .map((match) => match[1] ?? '');
    expect(coded.length).toBeGreaterThan(5);
    expect([...new Set(named409)].toSorted()).toEqual([...new Set(coded)].toSorted());
  });

  it('is a query parameter that the document does not name, and none that it names', async () => {
    for (const route of routes.filter((each) => named(each, 'query').length > 0)) {
      const query = named(route, 'query').map((name) => `${name}=%09`);
      const refused = await call(route, {}, `?${query.join('&')}&surprise=1`);
      expect([route.name, refused.status]).toEqual([route.name, 400]);
      const unknown = (refused.body.errors as { field: string; code: string }[])
        .filter(({ code }) => code === 'unknown_field')
        .map(({ field }) => field);
      expect([route.name, unknown]).toEqual([route.name, ['surprise']]);
    }
  });

  it('is 400, 413 or 415 for a body that cannot be read, where there is one', async () => {
    for (const route of routes.filter(({ requestBody }) => requestBody !== undefined)) {
      const broken = await call(route, { body: '{' });
      const large = await call(route, { body: ' '.repeat(MAX_BODY_BYTES + 1) });
      const packed = await call(route, { body: '{}', headers: { 'content-encoding': 'zstd' } });
      const statuses = [broken, large, packed].map(({ status }) => status);
      // How the body of a source reads depends on the source, and there is none here.
      const first = /\/sources\/\{key\}\/(?:events|v1\/)/.test(route.path) ? 404 : 400;
      expect([route.name, statuses]).toEqual([route.name, [first, 413, 415]]);
      expect(statuses.filter((status) => !hasRefusal(route, status))).toEqual([]);
    }
    expect(
      breaking(
        (route) =>
          route.requestBody !== undefined || (!hasRefusal(route, 413) && !hasRefusal(route, 415)),
      ),
    ).toEqual([]);
  });

  it('is 400 for an address that PostgreSQL could not hold', async () => {
    for (const route of routes.filter(({ path }) => path.includes('{'))) {
      const { status } = await service.request(
        route.method,
        route.path.replaceAll(/\{\w+\}/g, '%00'),
      );
      expect([route.name, status]).toEqual([route.name, 400]);
      expectDocumented(route, status);
    }
  });

  it('is 503 while the database is away, for all that need a key', () => {
    expect(breaking((route) => isPublic(route) || hasRefusal(route, 503))).toEqual([]);
  });
});

/** Calls a route with ids of nothing, and with a body that says nothing where it takes one. */
async function call(
  route: Route,
  options: Parameters<TestService['request']>[2] = {},
  query = '',
): Promise<Answer> {
  const answer = await service.request(
    route.method,
    route.path.replaceAll(/\{\w+\}/g, UNKNOWN_ID) + query,
    { ...(route.requestBody !== undefined && { body: {} }), ...options },
  );
  expectDocumented(route, answer.status);
  const type = answer.headers.get('content-type') ?? '';
  const types = Object.keys(route.responses[answer.status]?.content ?? {});
  expect([route.name, types.filter((name) => type.startsWith(name)).length]).toEqual([
    route.name,
    answer.status === 204 ? 0 : 1,
  ]);
  return answer;
}

function expectDocumented({ name, responses }: Route, status: number): void {
  expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining([String(status)])]);
}

function isProblem(content: Response['content']): boolean {
  const schema = content?.['application/problem+json']?.schema;
  return Object.keys(content ?? {}).length === 1 && schema?.$ref === '#/components/schemas/Problem';
}

function isDescribed(route: Route): boolean {
  const { method, requestBody } = route;
  const success = successesOf(route);
  const answers = success.every(
    ([status, { content = {} }]) =>
      (status === '204') === (Object.keys(content).length === 0) &&
      Object.entries(content).every(
        ([type, { schema }]) =>
          hasSchema(schema) || (type.startsWith('text/') && schema?.type === 'string'),
      ),
  );
  const isBodyDescribed =
    requestBody === undefined ||
    Object.values(requestBody.content).every(({ schema }) => hasSchema(schema));
  const needsBody = method === 'PUT' || method === 'PATCH';
  return (
    success.length > 0 && answers && isBodyDescribed && (!needsBody || requestBody !== undefined)
  );
}

/** An object of which nothing is said is no description. */
function hasSchema(schema: Schema | undefined): boolean {
  return (
    schema !== undefined &&
    ('$ref' in schema || 'items' in schema || 'properties' in schema || 'oneOf' in schema)
  );
}

describe('GET /docs', () => {
  it('is a page to read it', async () => {
    const answer = await service.request('GET', '/docs', { key: null });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch('text/html');
    expect(answer.body).toContain('swagger');
    const script = await service.request('GET', '/docs/swagger-ui-init.js', { key: null });
    expect(script.status).toBe(200);
    expect(script.body).toContain('"openapi": "3.1.0"');
  });
});
