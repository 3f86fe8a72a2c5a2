/* How HTTP is spoken: body limits, parsing, decompression, errors, documentation. */
import * as zlib from 'node:zlib';
import fastifyCompress from '@fastify/compress';
import { NotFoundException } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyRequest, type RequestPayload } from 'fastify';
import qs from 'qs';
import { DomainError } from '../../kernel/errors.js';
import { admitFirst } from '../access/admit-first.js';
import { type Config } from '../config.js';
import { Outage } from '../database/outage.js';
import { type ApiContents, setUpDocumentation } from './documentation.js';
import { makeDirect } from './direct-route.js';
import { handlerFinder } from './handler-finder.js';
import { readJsonBody } from './json-body.js';
import { Metrics } from './metrics.js';
import { ProblemFilter } from './problem.filter.js';
import { LINE_TYPES } from './raw-body.js';
import { limitBodyTime } from './slow-body.js';
import { createValidationPipe } from './validation.pipe.js';
import { BodyRooms, readWhole } from './whole-body.js';
import { answerClientError, refuseAddress } from './wire-problem.js';

/** Configuration is small; only ingest and Stripe's webhooks may be larger, and they say so. */
const MAX_BODY_BYTES = 1_048_576;
/** How soon a connection that falls idle while the service closes is closed. */
const IDLE_SWEEP_MS = 50;
/** A file of many million lines takes a while on a slow line. */
const REQUEST_TIMEOUT_MS = 3_600_000;
/** A connection on which nothing moves for so long is cut off. */
const SILENCE_TIMEOUT_MS = 120_000;
/** zstd where this Node has it (22.15 and later). */
const ENCODINGS: ('gzip' | 'deflate' | 'br' | 'zstd')[] = [
  'gzip',
  'deflate',
  'br',
  ...('createZstdDecompress' in zlib ? (['zstd'] as const) : []),
];
/** For those who read that zstd works. */
const ZSTD_HINT = ENCODINGS.includes('zstd') ? '' : '; zstd needs Node 22.15 or later here';

/** Fastify, set up so that requests under way are answered while it closes. */
export function createAdapter(config: Config): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: refuseAddress,
    routerOptions: {
      maxParamLength: 500,
      // `filter[region]=eu` is an object of one level.
      querystringParser: (text) => qs.parse(text, { depth: 1 }),
    },
  });
  const instance = adapter.getInstance<FastifyInstance>();
  // PostgreSQL holds no NUL, so nothing can be named by one; a percent sign itself is written %25.
  // Hooks of every request call back: a promise each is a tenth of what a small request costs.
  instance.addHook('onRequest', (request, _, done) => {
    if (request.url.includes('%00')) {
      done(new DomainError('invalid', 'invalid_request', 'The address holds a NUL.'));
      return;
    }
    normaliseEncoding(request);
    done();
  });
  limitBodyTime(instance, config.bodyTimeoutMs);
  // Raw routes take large bodies; Nest's decorators cannot say so per route.
  instance.addHook('onRoute', (route) => {
    const routeConfig: { rawBody?: boolean } = route.config ?? {};
    if (routeConfig.rawBody === true) {
      route.bodyLimit = config.ingest.maxBodyBytes;
    }
  });
  return adapter;
}

/** The names of encodings are written in any letters (RFC 9110, 8.4.1), and `identity` is none. */
function normaliseEncoding({ raw: { headers } }: FastifyRequest): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  if (encoding === undefined) {
    return;
  }
  if (encoding === '' || encoding === 'identity') {
    delete headers['content-encoding'];
  } else {
    headers['content-encoding'] = encoding === 'x-gzip' ? 'gzip' : encoding;
  }
}

/**
 * What every route has in common.
 *
 * @returns closes the application: what is under way is answered, and its senders are told to go
 */
export async function setUpHttp(
  app: NestFastifyApplication,
  config: Config,
  contents: ApiContents,
): Promise<() => Promise<void>> {
  app.useGlobalFilters(new ProblemFilter(app.get(Outage)));
  app.useGlobalPipes(createValidationPipe());
  const instance = app.getHttpAdapter().getInstance();
  // What comes to no route is not read: anybody can send it.
  instance.addHook('onRequest', ({ is404, method, url }, _, done) => {
    done(is404 ? new NotFoundException(`Cannot ${method} ${url}`) : undefined);
  });
  const findHandler = handlerFinder(app);
  instance.addHook('onRoute', (route) => {
    admitFirst(app, route, findHandler(route.handler.name));
    makeDirect(app, route);
  });
  const rooms = new BodyRooms(config.maxBodiesBytes);
  rooms.watch(instance);
  app.get(Metrics).gauge('meterline_body_bytes', 'Bytes of requests in memory', () => rooms.bytes);
  await app.register(fastifyCompress, {
    globalCompression: false,
    globalDecompression: true,
    requestEncodings: ENCODINGS,
    onUnsupportedRequestEncoding: (encoding: string) =>
      new DomainError(
        'unsupported',
        'unsupported_encoding',
        `The content encoding '${encoding}' is none of ${ENCODINGS.join(', ')}${ZSTD_HINT}.`,
      ),
  });
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('*', parseBody);
  instance.addContentTypeParser(LINE_TYPES, parseLines);
  setUpDocumentation(app, contents);
  return closing(app);
}

/**
 * A connection whose answer is on its way while the server closes would be kept alive for a minute
 * more, and the process with it. So answers say that it ends, and what falls idle is closed.
 */
function closing(app: NestFastifyApplication): () => Promise<void> {
  const instance = app.getHttpAdapter().getInstance();
  let isClosing = false;
  instance.addHook('onSend', (_, reply, payload, done) => {
    if (isClosing) {
      void reply.header('connection', 'close');
    }
    done(null, payload);
  });
  return async () => {
    isClosing = true;
    const sweep = setInterval(() => {
      if (!instance.server.listening) {
        instance.server.closeIdleConnections();
      }
    }, IDLE_SWEEP_MS);
    try {
      await app.close();
    } finally {
      clearInterval(sweep);
    }
  };
}

type ParsedBody = (error: Error | null, body?: unknown) => void;

/** Lines as a stream for the routes that want it; for the others a body like any other. */
function parseLines(request: FastifyRequest, payload: RequestPayload, done: ParsedBody): void {
  if ((request.routeOptions.config as { streamsLines?: boolean }).streamsLines === true) {
    done(null, payload);
  } else {
    parseBody(request, payload, done);
  }
}

function parseBody(request: FastifyRequest, payload: RequestPayload, done: ParsedBody): void {
  readWhole(request, payload, (error, bytes) => {
    if (error !== null || bytes === undefined) {
      done(error);
      return;
    }
    let body: unknown;
    try {
      body = readBody(request, bytes);
    } catch (fault) {
      done(fault as Error);
      return;
    }
    done(null, body);
  });
}

function readBody(request: FastifyRequest, body: Buffer): unknown {
  if ((request.routeOptions.config as { rawBody?: boolean }).rawBody === true) {
    return body;
  }
  // Many clients send their usual content type with a DELETE or POST that has nothing to say.
  if (body.length === 0) {
    return undefined;
  }
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    throw new DomainError(
      'unsupported',
      'unsupported_media_type',
      `The content type must be application/json, not '${type}'.`,
    );
  }
  return readJsonBody(body);
}
