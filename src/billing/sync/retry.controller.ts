import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import { UndeliveredService } from '../external/undelivered.service.js';
import { RetryResponse } from './retry-line-item.dto.js';
import { type Retried, RetryService } from './retry.service.js';

@Controller('api/v1/line-items')
export class RetryController {
  constructor(
    private readonly service: RetryService,
    private readonly undelivered: UndeliveredService,
  ) {}

  /** Send a failed line item to Stripe, or whoever collects it, again, and with it what else failed on its invoice. */
  @Post(':id/retry')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({ description: 'The line item has not failed (`not_failed`).' })
  async retry(@Param('id') id: string): Promise<RetryResponse> {
    const told = await this.undelivered.retry(id);
    return toResponse(told === null ? await this.service.retry(id) : { lineItemId: id, ...told });
  }
}

function toResponse(retried: Retried): RetryResponse {
  return {
    line_item: retried.lineItemId,
    state: 'pending',
    invoice: retried.invoiceId,
    line_items: [...retried.lineItemIds],
  };
}
