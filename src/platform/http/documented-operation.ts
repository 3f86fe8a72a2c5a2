/*
 * Completes what the documentation says of one route by what follows from its path, its method and
 * its decorators: key and scope, Idempotency-Key, and the refusals that can happen. A refusal that is
 * a route's own, such as a conflict, is said by the controller, and gets only its form here.
 */
import { getSchemaPath, type OpenAPIObject } from '@nestjs/swagger';
import { MAX_KEY_LENGTH } from '../access/idempotency.interceptor.js';
import { KEEP_DAYS } from '../access/idempotency.worker.js';
import { PUBLIC } from '../access/scope.js';
import { type DocumentedRoute } from './documented-route.js';
import { Problem } from './problem.dto.js';

export const SECURITY_SCHEME = 'bearer';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Parameter = NonNullable<Operation['parameters']>[number];
type Response = NonNullable<Operation['responses'][string]>;
type Headers = Record<string, { description: string; schema: { type: string } }>;

/** Where an operation stands. */
export interface Place {
  readonly path: string;
  readonly method: string;
  readonly tag: string | undefined;
  readonly route: DocumentedRoute;
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: `Any text of your own that stands for this request. Sent again with the same key within ${KEEP_DAYS} days, it takes effect once and is answered as the first time, but without secrets.`,
  schema: { type: 'string', minLength: 1, maxLength: MAX_KEY_LENGTH },
};

const REPLAYED: Headers = {
  'Idempotent-Replayed': {
    description: '`true` when this is the answer to an earlier request with the Idempotency-Key.',
    schema: { type: 'string' },
  },
};

const SUCCESSES: Readonly<Record<string, string>> = {
  200: 'OK.',
  201: 'Created.',
  202: 'Queued.',
  204: 'Done; there is nothing to say.',
};

const REFUSALS = {
  400: 'The request is not valid; `errors` names fields and reasons.',
  401: 'There is no API key in the request (`missing_api_key`), or none in force (`invalid_api_key`).',
  403: 'The API key lacks the scope (`missing_scope`), or is the token of a source (`bound_to_source`).',
  404: 'There is nothing of this name (`not_found`).',
  409: 'The Idempotency-Key was used for another request (`idempotency_key_reused`).',
  413: 'The body is too large (`too_large`).',
  415: 'The body is of no content type or encoding that is read here (`unsupported_media_type`, `unsupported_encoding`).',
  503: 'The database does not answer (`unavailable`).',
} as const;

type Refusal = keyof typeof REFUSALS;

/** What is named by its key, too. */
const KEYED: ReadonlySet<string> = new Set([
  'customers',
  'meters',
  'plans',
  'sources',
  'thresholds',
  'stripe-meters',
]);
/** What is no id. */
const NO_IDS: Readonly<Record<string, string>> = {
  profile: 'What kind of profile it is.',
  type: 'Name of the type.',
};
/** What an address does not call by its name. */
const KINDS: Readonly<Record<string, string>> = {
  rejected: 'refused event',
  quarantined: 'quarantined value',
  'late-usage': 'late usage',
  'stripe-meters': 'meter',
};

const REFUSAL_HEADERS: Readonly<Record<string, Headers>> = {
  401: { 'WWW-Authenticate': { description: '`Bearer`', schema: { type: 'string' } } },
  503: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } } },
};

/** Completes the operation in place. */
export function completeOperation(operation: Operation, place: Place): void {
  const { path, tag, route } = place;
  const takesIdempotencyKey =
    place.method === 'post' && route.scope !== PUBLIC && !route.isNaturallyIdempotent;
  const parameters = withPathParameters(path, operation.parameters ?? []).map(withStyle);
  Object.assign(operation, {
    operationId: `${resourceOf(path)}_${route.handler}`,
    tags: tag === undefined ? [] : [tag],
    ...inWords(operation.summary ?? '', route.scope),
    security: securityOf(route.scope),
    parameters: takesIdempotencyKey ? [...parameters, IDEMPOTENCY_KEY] : parameters,
  });
  for (const [status, response] of Object.entries(operation.responses)) {
    operation.responses[status] = completeResponse(status, response, takesIdempotencyKey);
  }
  for (const status of refusalsOf(operation, path, takesIdempotencyKey)) {
    operation.responses[status] ??= completeResponse(status, { description: '' }, false);
  }
}

/** `/api/v1/line-items/{id}` is about `lineItems`, and `/v1/logs` about `logs`. */
function resourceOf(path: string): string {
  const name = /^\/(?:(?:api\/)?v\d+\/)?([^/{]+)/.exec(path)?.[1] ?? '';
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The first sentence of a handler's comment is the summary. */
function inWords(
  comment: string,
  scope: DocumentedRoute['scope'],
): Pick<Operation, 'summary' | 'description'> {
  const text = comment.replaceAll(/\s+/g, ' ').trim();
  const summary = /^.*?[.?](?= |$)/.exec(text)?.[0] ?? text;
  const rest = text.slice(summary.length).trim();
  const access =
    scope === PUBLIC ? 'Needs no API key.' : `Needs a key with the scope \`${scope ?? 'none'}\`.`;
  return { summary, description: rest === '' ? access : `${rest}\n\n${access}` };
}

/** OpenAPI 3.1 lets a requirement name roles, which the scopes of a key are. */
function securityOf(scope: DocumentedRoute['scope']): NonNullable<Operation['security']> {
  return scope === PUBLIC ? [] : [{ [SECURITY_SCHEME]: scope === undefined ? [] : [scope] }];
}

/** In the order of the path; also those that a controller has from a class above, which reads none. */
function withPathParameters(path: string, parameters: readonly Parameter[]): Parameter[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const inPath = names.map((name): Parameter => ({
    description: inPathWords(path, name),
    ...(parameters.find((known) => 'in' in known && known.in === 'path' && known.name === name) ?? {
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }),
  }));
  return [...inPath, ...parameters.filter((known) => !('in' in known) || known.in !== 'path')];
}

/** What a parameter of a path names, as far as its address tells: `/customers/{id}` a customer. */
function inPathWords(path: string, name: string): string {
  const collection = new RegExp(String.raw`/([^/{}]+)/\{${name}\}`).exec(path)?.[1] ?? '';
  const one = collection.replace(/ies$/, 'y').replace(/s$/, '').replaceAll('-', ' ');
  const kind = KINDS[collection] ?? one;
  return NO_IDS[name] ?? `${KEYED.has(collection) ? 'Id or key' : 'Id'} of the ${kind}.`;
}

/** An object in a query is written `name[key]=value`. */
function withStyle(parameter: Parameter): Parameter {
  const isObject =
    'in' in parameter &&
    parameter.in === 'query' &&
    parameter.schema !== undefined &&
    'type' in parameter.schema &&
    parameter.schema.type === 'object';
  return isObject ? { ...parameter, style: 'deepObject', explode: true } : parameter;
}

function refusalsOf(operation: Operation, path: string, takesIdempotencyKey: boolean): Refusal[] {
  const needsKey = operation.security?.length !== 0;
  const hasBody = operation.requestBody !== undefined;
  const hasInput = hasBody || (operation.parameters ?? []).length > 0;
  const refusals: readonly (readonly [Refusal, boolean])[] = [
    [400, hasInput],
    [401, needsKey],
    [403, needsKey],
    [404, path.includes('{')],
    [409, takesIdempotencyKey],
    [413, hasBody],
    [415, hasBody],
    // A key is looked up in the database.
    [503, needsKey],
  ];
  return refusals.filter(([, canHappen]) => canHappen).map(([status]) => status);
}

function completeResponse(
  status: number | string,
  response: Response | undefined,
  takesIdempotencyKey: boolean,
): Response {
  if (response === undefined || '$ref' in response) {
    return response ?? { description: '' };
  }
  if (Number(status) < 400) {
    return {
      ...response,
      description: response.description || (SUCCESSES[status] ?? ''),
      ...(takesIdempotencyKey && { headers: { ...response.headers, ...REPLAYED } }),
    };
  }
  const common = status in REFUSALS ? REFUSALS[Number(status) as Refusal] : '';
  const isBoth = Number(status) === 409 && takesIdempotencyKey;
  const own = isBoth ? `${response.description} ${common}` : response.description;
  return {
    description: own.trim() || common,
    ...(status in REFUSAL_HEADERS && { headers: REFUSAL_HEADERS[status] }),
    content: { 'application/problem+json': { schema: { $ref: getSchemaPath(Problem) } } },
  };
}
