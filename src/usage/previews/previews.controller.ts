import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { ApiBadRequestResponse, ApiOkResponse } from '@nestjs/swagger';
import { parse, stringify } from 'lossless-json';
import { type Decimal, formatDecimal } from '../../kernel/decimal.js';
import { instantOf } from '../../kernel/instant.js';
import { toDefinition } from '../../meters/meter-definition.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import { type BadValue, type Comparison, differenceOf } from './preview.js';
import {
  MeterPreviewResponse,
  type PreviewBadValueResponse,
  PreviewMeterDto,
  type PreviewQuantitiesResponse,
} from './preview.dto.js';
import { type Preview, type PreviewRequest, PreviewsService } from './previews.service.js';

@Controller('api/v1/meters')
export class PreviewsController {
  constructor(private readonly previews: PreviewsService) {}

  /** What would a meter have counted? Exact, from the stored events; stores nothing. */
  @Post('preview')
  @HttpCode(200)
  @RequireScope('read')
  @NaturallyIdempotent()
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiOkResponse({ type: MeterPreviewResponse })
  @ApiBadRequestResponse({
    description:
      'The request is not valid; `errors` names fields and reasons. Or there is too much to read (`too_much`): narrow the window, or name a customer.',
  })
  async preview(@Body() body: PreviewMeterDto): Promise<string> {
    const response = toResponse(await this.previews.preview(toRequest(body)));
    // The numbers of events keep every digit.
    return stringify(response) ?? 'null';
  }
}

function toRequest(body: PreviewMeterDto): PreviewRequest {
  return {
    definition: toDefinition(body),
    window: { start: instantOf(body.from), end: instantOf(body.to) },
    compareWith: body.compare_with ?? null,
    customer: body.customer ?? null,
  };
}

function toResponse(preview: Preview): MeterPreviewResponse {
  const { window, compared, events, total, unattributed, customers } = preview;
  return {
    from: window.start.toISOString(),
    to: window.end.toISOString(),
    compared_with: compared?.key ?? null,
    matched_events: Number(events.matched),
    bad_values: { count: Number(events.bad), first: preview.badValues.map(toBadValue) },
    total: toQuantities(total),
    unattributed: unattributed === null ? null : toQuantities(unattributed),
    customer_count: preview.customerCount,
    data: preview.listed.map((listed) => ({
      customer: customers.get(listed.customerId)?.key ?? '',
      ...toQuantities(listed),
    })),
  };
}

function toQuantities(comparison: Comparison): PreviewQuantitiesResponse {
  const { quantity, comparedQuantity } = comparison;
  return {
    quantity: formatDecimal(quantity),
    compared_quantity: toText(comparedQuantity),
    difference: toText(differenceOf(comparison)),
  };
}

function toText(value: Decimal | null): string | null {
  return value === null ? null : formatDecimal(value);
}

function toBadValue(bad: BadValue): PreviewBadValueResponse {
  return {
    source: bad.source,
    id: bad.eventId,
    subject: bad.subject,
    time: bad.time.toISOString(),
    reason: bad.reason,
    value: bad.value === null ? null : parse(bad.value),
  };
}
