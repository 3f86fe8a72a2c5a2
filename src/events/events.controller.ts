import { Readable } from 'node:stream';
import { Controller, Get, Header, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBody,
  ApiConsumes,
  ApiExtraModels,
  ApiPayloadTooLargeResponse,
  ApiServiceUnavailableResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { parse, stringify } from 'lossless-json';
import { instantOf } from '../kernel/instant.js';
import { type AuthenticatedRequest } from '../platform/access/api-key.guard.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { DirectRoute } from '../platform/http/direct-route.js';
import { ApiPage, readCursor, toPageResponse } from '../platform/http/page.js';
import { LINE_TYPES, RAW_OR_LINES } from '../platform/http/raw-body.js';
import { type EventFilter } from './events.store.js';
import { EventsReader } from './events.reader.js';
import { EventsService, type Receipts } from './events.service.js';
import {
  IngestResponse,
  ListEventsQuery,
  StoredEventResponse,
  UsageEventBody,
} from './ingest-events.dto.js';
import { JSON_TYPES } from './read-body.js';
import { type ListedEvent } from './stored-event.js';

const BATCH_NUMBER = /^\d{1,18}$/;
const EVENT = { $ref: getSchemaPath(UsageEventBody) };
const JSON_TYPE = 'application/json; charset=utf-8';

@Controller('api/v1/events')
export class EventsController {
  constructor(
    private readonly events: EventsService,
    private readonly reader: EventsReader,
  ) {}

  /**
   * Send usage events: one, an array, or lines. The answer comes after they are stored and says for
   * each what became of it. Sending the same request again is always safe. One event may come as
   * CloudEvents has it in binary mode, its attributes in `ce-` headers. Lines (NDJSON) may be any
   * number in one request; the answer counts them and shows the first 1,000 that were refused.
   */
  @Post()
  @HttpCode(200)
  @RequireScope('ingest')
  @DirectRoute()
  @RouteConfig(RAW_OR_LINES)
  @NaturallyIdempotent()
  @ApiConsumes(...JSON_TYPES, ...LINE_TYPES)
  @ApiExtraModels(UsageEventBody)
  @ApiBody({
    description: 'One event, or an array of them; in NDJSON one on each line.',
    schema: { oneOf: [EVENT, { type: 'array', items: EVENT }] },
  })
  @ApiPayloadTooLargeResponse({
    description:
      'The body is too large (`too_large`) or holds too many events (`too_many_events`).',
  })
  @ApiServiceUnavailableResponse({
    description:
      'Not all events could be stored in time; send the request again, what was stored counts once (`unavailable`).',
  })
  async ingest(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IngestResponse> {
    const body = request.body as Buffer | Readable | undefined;
    return toIngestResponse(
      body instanceof Readable
        ? await this.ingestLines(body, reply)
        : await this.events.ingest(body ?? Buffer.alloc(0), request.headers),
    );
  }

  private async ingestLines(body: Readable, reply: FastifyReply): Promise<Receipts> {
    try {
      // Destroying the body would take the connection with it, and the sender would get no answer.
      return await this.events.ingestLines(body.iterator({ destroyOnReturn: false }));
    } catch (error) {
      void reply.header('connection', 'close');
      body.resume();
      throw error;
    }
  }

  /** List stored events as they came, the last received first; voided ones count no longer. */
  @Get()
  @RequireScope('read')
  @Header('content-type', JSON_TYPE)
  @ApiPage(StoredEventResponse)
  async list(@Query() query: ListEventsQuery): Promise<string> {
    const before = readCursor(query.cursor, 3, BATCH_NUMBER);
    const page = await this.reader.list(
      toFilter(query),
      query.limit,
      before,
      query.customer ?? null,
    );
    return toExactJson(toPageResponse(page, toEventResponse));
  }
}

/** JSON in which the numbers of events keep every digit. */
function toExactJson(response: unknown): string {
  return stringify(response) ?? 'null';
}

function toIngestResponse({ tally, receipts }: Receipts): IngestResponse {
  return {
    accepted: tally.accepted,
    duplicates: tally.duplicate,
    conflicts: tally.conflict,
    rejected: tally.rejected,
    results: receipts,
  };
}

function toFilter(query: ListEventsQuery): EventFilter {
  return {
    subjects: query.subject === undefined ? null : [query.subject],
    source: query.source ?? null,
    type: query.type ?? null,
    from: query.from === undefined ? null : instantOf(query.from),
    to: query.to === undefined ? null : instantOf(query.to),
  };
}

function toEventResponse(event: ListedEvent): StoredEventResponse {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    data: parse(event.data),
    extensions: event.extensions === null ? null : parse(event.extensions),
    received_at: event.receivedAt.toISOString(),
    voided_at: event.voidedAt?.toISOString() ?? null,
    void_reason: event.voidReason,
    replacement: event.replacement === null ? null : parse(event.replacement),
  };
}
