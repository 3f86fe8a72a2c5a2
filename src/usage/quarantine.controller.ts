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
import { readFields } from '../events/read-fields.js';
import { toCountsResponse, toSettlementResponse } from '../events/settlement-response.js';
import { invalidField } from '../kernel/errors.js';
import { CallerKeyId } from '../platform/access/caller.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { ApiPage, readCursor, toPageResponse } from '../platform/http/page.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import {
  DismissQuarantinedDto,
  QuarantineCountsQuery,
  QuarantineCountsResponse,
  QuarantinedQuery,
  QuarantinedResponse,
  RepairQuarantinedBody,
} from './list-uncounted.dto.js';
import { type Named, type QuarantineRequest, QuarantineService } from './quarantine.service.js';
import { type QuarantinedValue } from './quarantined-value.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const NUMBER = /^\d{1,18}$/;

@Controller('api/v1/events/quarantined')
export class QuarantineController {
  constructor(private readonly quarantine: QuarantineService) {}

  /** List values that a meter could not read, newest first; their events count for other meters. */
  @Get()
  @RequireScope('read')
  @Header('content-type', JSON_TYPE)
  @ApiPage(QuarantinedResponse)
  async listQuarantined(@Query() query: QuarantinedQuery): Promise<string> {
    const before = readCursor(query.cursor, 1, NUMBER)?.[0] ?? null;
    const page = await this.quarantine.list(toRequest(query), query.limit, before);
    return toExactJson(toPageResponse(page, toResponse));
  }

  /** How many values there are, by meter, source, reason and state. */
  @Get('counts')
  @RequireScope('read')
  async countQuarantined(@Query() query: QuarantineCountsQuery): Promise<QuarantineCountsResponse> {
    const counts = await this.quarantine.count(toRequest(query));
    return toCountsResponse(
      counts.map(({ meterKey, ...count }) => ({ ...count, meter: meterKey })),
    );
  }

  /** Let the event count with another value, or with other data: a correction, for every meter. */
  @Post(':id/repair')
  @HttpCode(200)
  @RequireScope('bill')
  @RouteConfig(RAW_BODY)
  @Header('content-type', JSON_TYPE)
  @ApiConsumes('application/json')
  @ApiBody({ type: RepairQuarantinedBody })
  @ApiOkResponse({ type: QuarantinedResponse })
  @ApiConflictResponse({ description: 'It is settled already (`already_settled`).' })
  async repairQuarantined(
    @Param('id') id: string,
    @Body() body: Buffer | undefined,
    @Headers('content-type') contentType: string | undefined,
    @CallerKeyId() by: string,
  ): Promise<string> {
    const { fields } = readFields(body, contentType, ['value', 'data']);
    const [[field, given] = [], other] = Object.entries(fields);
    if ((field !== 'value' && field !== 'data') || other !== undefined) {
      throw invalidField('value', 'is_exclusive', 'send either value or data');
    }
    return toExactJson(toResponse(await this.quarantine.repair(id, { field, given }, by)));
  }

  /** Say that nothing is to be counted of a value. */
  @Post(':id/dismiss')
  @HttpCode(200)
  @RequireScope('bill')
  @Header('content-type', JSON_TYPE)
  @NaturallyIdempotent()
  @ApiOkResponse({ type: QuarantinedResponse })
  @ApiConflictResponse({ description: 'It was repaired (`already_settled`).' })
  async dismissQuarantined(
    @Param('id') id: string,
    @Body() { reason }: DismissQuarantinedDto,
    @CallerKeyId() by: string,
  ): Promise<string> {
    return toExactJson(toResponse(await this.quarantine.dismiss(id, reason, by)));
  }
}

/** JSON in which the numbers of events keep every digit. */
function toExactJson(response: unknown): string {
  return stringify(response) ?? 'null';
}

function toRequest(query: QuarantineCountsQuery): QuarantineRequest {
  return {
    meter: query.meter ?? null,
    source: query.source ?? null,
    reason: query.reason ?? null,
    state: query.state ?? null,
  };
}

function toResponse(value: Named<QuarantinedValue>): QuarantinedResponse {
  return {
    id: value.id,
    meter: value.meterKey,
    source: value.source,
    event_id: value.eventId,
    subject: value.subject,
    time: value.time.toISOString(),
    reason: value.reason,
    value: value.value === null ? null : parse(value.value),
    ...toSettlementResponse(value.settlement),
  };
}
