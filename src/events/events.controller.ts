import { Body, Controller, Get, Header, Headers, HttpCode, Post, Query } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiOkResponse } from '@nestjs/swagger';
import { parse, stringify } from 'lossless-json';
import { instantOf } from '../kernel/instant.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { readCursor, toPageResponse } from '../platform/http/page.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import { type EventFilter } from './events.store.js';
import { EventsReader } from './events.reader.js';
import { EventsService, type Receipt } from './events.service.js';
import {
  IngestResponse,
  ListEventsQuery,
  StoredEventResponse,
  StoredEventsResponse,
  UsageEventBody,
} from './ingest-events.dto.js';
import { JSON_TYPES, NDJSON_TYPE } from './read-body.js';
import { type ListedEvent } from './stored-event.js';

const BATCH_NUMBER = /^\d{1,18}$/;
const JSON_TYPE = 'application/json; charset=utf-8';

@Controller('api/v1/events')
export class EventsController {
  constructor(
    private readonly events: EventsService,
    private readonly reader: EventsReader,
  ) {}

  /**
   * Send usage events: one, an array, or NDJSON. The answer comes after they are stored and says for
   * each what became of it. Sending the same request again is always safe.
   */
  @Post()
  @HttpCode(200)
  @RequireScope('ingest')
  @RouteConfig(RAW_BODY)
  @NaturallyIdempotent()
  @ApiConsumes(...JSON_TYPES, NDJSON_TYPE)
  @ApiBody({ type: [UsageEventBody] })
  async ingest(
    @Body() body: Buffer | undefined,
    @Headers('content-type') contentType: string | undefined,
  ): Promise<IngestResponse> {
    return toIngestResponse(
      await this.events.ingest(body ?? Buffer.alloc(0), contentType ?? 'application/json'),
    );
  }

  /** List stored events as they came, the last received first; voided ones count no longer. */
  @Get()
  @RequireScope('read')
  @Header('content-type', JSON_TYPE)
  @ApiOkResponse({ type: StoredEventsResponse })
  async list(@Query() query: ListEventsQuery): Promise<string> {
    const before = readCursor(query.cursor, 3, BATCH_NUMBER);
    const page = await this.reader.list(toFilter(query), query.limit, before);
    return toExactJson(toPageResponse(page, toEventResponse));
  }
}

/** JSON in which the numbers of events keep every digit. */
function toExactJson(response: unknown): string {
  return stringify(response) ?? 'null';
}

function toIngestResponse(receipts: Receipt[]): IngestResponse {
  const count = (status: Receipt['status']): number =>
    receipts.reduce((sum, receipt) => sum + (receipt.status === status ? 1 : 0), 0);
  return {
    accepted: count('accepted'),
    duplicates: count('duplicate'),
    conflicts: count('conflict'),
    rejected: count('rejected'),
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
