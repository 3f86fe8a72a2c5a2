import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { BilledEventService } from './billed-event.service.js';
import {
  CountedEventResponse,
  EventLineItemsQuery,
  EventLineItemsResponse,
  ExplanationResponse,
  VerificationResponse,
} from './explanation.dto.js';
import {
  toBilledEventResponse,
  toEventResponse,
  toExplanationResponse,
  toVerificationResponse,
} from './explanation-response.js';
import { ExplanationsService } from './explanations.service.js';
import { VerificationService } from './verification.service.js';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const CURSOR_LENGTH = 5;

@Controller('api/v1')
export class ExplanationsController {
  constructor(
    private readonly explanations: ExplanationsService,
    private readonly verification: VerificationService,
    private readonly billedEvents: BilledEventService,
  ) {}

  /** How the amount of a line item came about, from usage by day and group to the cent. */
  @Get('line-items/:id/explanation')
  @RequireScope('read')
  async explain(@Param('id') id: string): Promise<ExplanationResponse> {
    return toExplanationResponse(await this.explanations.explain(id));
  }

  /**
   * List the very events that a line item counted, by subject and time. They are those of its cut-off,
   * without what came or was voided later; of an adjustment those that it counts and the line items
   * before it did not, and those that it takes back.
   */
  @Get('line-items/:id/events')
  @RequireScope('read')
  @ApiPage(CountedEventResponse)
  @ApiConflictResponse({
    description: 'Events that it may have counted are no longer there (`events_dropped`).',
  })
  async listEvents(
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<CountedEventResponse>> {
    const after = readCursor(query.cursor, CURSOR_LENGTH, INSTANT);
    const { line, page } = await this.explanations.events(id, { limit: query.limit, after });
    return toPageResponse(page, (event) => toEventResponse(event, line));
  }

  /**
   * Compute a line item again from raw events at its cut-off, and compare it to the cent. Nothing is
   * recorded.
   */
  @Post('line-items/:id/verification')
  @HttpCode(200)
  @RequireScope('read')
  @NaturallyIdempotent()
  async verify(@Param('id') id: string): Promise<VerificationResponse> {
    return toVerificationResponse(await this.verification.verify(id));
  }

  /** Which line items counted an event, as of the cut-off of each. */
  @Get('events/line-items')
  @RequireScope('read')
  async listLineItems(
    @Query() { source, id }: EventLineItemsQuery,
  ): Promise<EventLineItemsResponse> {
    return toBilledEventResponse({ source, id }, await this.billedEvents.find(source, id));
  }
}
