import {
  Body,
  Controller,
  Get,
  Header,
  Headers,
  HttpCode,
  Param,
  Post,
  Query,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConflictResponse, ApiConsumes, ApiOkResponse } from '@nestjs/swagger';
import { parse, stringify } from 'lossless-json';
import { CallerKeyId } from '../platform/access/caller.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { ApiPage, type PageResponse, readCursor, toPageResponse } from '../platform/http/page.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import { EventsReader } from './events.reader.js';
import { type CurrentBody, type RejectedEvent, type ShownConflict } from './put-aside.js';
import {
  ConflictResponse,
  ConflictsQuery,
  CountsQuery,
  CountsResponse,
  DismissDto,
  RejectionResponse,
  RejectionsQuery,
  RepairRejectionBody,
  ResolveConflictDto,
} from './put-aside.dto.js';
import { type PutAsideFilter } from './put-aside.store.js';
import { readFields } from './read-fields.js';
import { RepairsService } from './repairs.service.js';
import { toCountsResponse, toSettlementResponse } from './settlement-response.js';

const JSON_TYPE = 'application/json; charset=utf-8';

@Controller('api/v1/events')
export class PutAsideController {
  constructor(
    private readonly reader: EventsReader,
    private readonly repairs: RepairsService,
  ) {}

  /** List events whose identity was taken by another body; both bodies. */
  @Get('conflicts')
  @RequireScope('read')
  @Header('content-type', JSON_TYPE)
  @ApiPage(ConflictResponse)
  async listConflicts(@Query() query: ConflictsQuery): Promise<string> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.listConflicts(toFilter(query), query.limit, before);
    return toExactJson(toPageResponse(page, toConflictResponse));
  }

  /** How many conflicts there are, by source and state. */
  @Get('conflicts/counts')
  @RequireScope('read')
  async countConflicts(@Query() query: CountsQuery): Promise<CountsResponse> {
    return toCountsResponse(await this.reader.countConflicts(toFilter(query)));
  }

  /** Say which body counts. Taking the other one is a correction: the stored one counts no longer. */
  @Post('conflicts/:id/resolve')
  @HttpCode(200)
  @RequireScope('bill')
  @Header('content-type', JSON_TYPE)
  @NaturallyIdempotent()
  @ApiOkResponse({ type: ConflictResponse })
  @ApiConflictResponse({ description: 'It is settled otherwise (`already_settled`).' })
  async resolveConflict(
    @Param('id') id: string,
    @Body() { take }: ResolveConflictDto,
    @CallerKeyId() by: string,
  ): Promise<string> {
    return toExactJson(toConflictResponse(await this.repairs.resolveConflict(id, take, by)));
  }

  /** List events that were refused, and why. */
  @Get('rejected')
  @RequireScope('read')
  @ApiPage(RejectionResponse)
  async listRejected(@Query() query: RejectionsQuery): Promise<PageResponse<RejectionResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const filter = { ...toFilter(query), code: query.code ?? null };
    const page = await this.reader.listRejections(filter, query.limit, before);
    return toPageResponse(page, toRejectionResponse);
  }

  /** How many events were refused, by source, reason and state. */
  @Get('rejected/counts')
  @RequireScope('read')
  async countRejected(@Query() query: CountsQuery): Promise<CountsResponse> {
    return toCountsResponse(await this.reader.countRejections(toFilter(query)));
  }

  /** Store an event in the place of one that was refused; without a time, at the time that one came. */
  @Post('rejected/:id/repair')
  @HttpCode(200)
  @RequireScope('bill')
  @RouteConfig(RAW_BODY)
  @NaturallyIdempotent()
  @ApiConsumes('application/json')
  @ApiBody({ type: RepairRejectionBody })
  @ApiConflictResponse({
    description:
      'It is settled already (`already_settled`), or another event with this source and id is stored (`event_conflicts`).',
  })
  async repairRejected(
    @Param('id') id: string,
    @Body() body: Buffer | undefined,
    @Headers('content-type') contentType: string | undefined,
    @CallerKeyId() by: string,
  ): Promise<RejectionResponse> {
    const { fields, dialect } = readFields(body, contentType, ['event']);
    const parsed = { value: fields['event'], dialect };
    return toRejectionResponse(await this.repairs.repairRejection(id, parsed, by));
  }

  /** Say that nothing is to be counted of an event that was refused. */
  @Post('rejected/:id/dismiss')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'It was repaired (`already_settled`).' })
  async dismissRejected(
    @Param('id') id: string,
    @Body() { reason }: DismissDto,
    @CallerKeyId() by: string,
  ): Promise<RejectionResponse> {
    return toRejectionResponse(await this.repairs.dismissRejection(id, reason, by));
  }
}

/** JSON in which the numbers of events keep every digit. */
function toExactJson(response: unknown): string {
  return stringify(response) ?? 'null';
}

function toFilter(query: CountsQuery): PutAsideFilter {
  return { source: query.source ?? null, state: query.state ?? null };
}

function toConflictResponse({ id, event, stored, ...conflict }: ShownConflict): ConflictResponse {
  return {
    id,
    source: event.source,
    event_id: event.id,
    event: toBody(event),
    stored: stored && { ...toBody(stored), voided_at: stored.voidedAt?.toISOString() ?? null },
    received_at: conflict.receivedAt.toISOString(),
    ...toSettlementResponse(conflict.settlement),
  };
}

function toBody(body: Omit<CurrentBody, 'voidedAt'>): object {
  return {
    type: body.type,
    subject: body.subject,
    time: body.time,
    data: parse(body.data),
    extensions: body.extensions === null ? null : parse(body.extensions),
  };
}

function toRejectionResponse(rejection: RejectedEvent): RejectionResponse {
  return {
    id: rejection.id,
    source: rejection.source,
    event_id: rejection.eventId,
    code: rejection.code,
    detail: rejection.detail,
    payload: rejection.payload,
    received_at: rejection.receivedAt.toISOString(),
    became: rejection.became,
    ...toSettlementResponse(rejection.settlement),
  };
}
