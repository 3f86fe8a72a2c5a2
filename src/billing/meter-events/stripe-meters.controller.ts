import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import { MeterLinksService, type NamedMeterLink } from './meter-links.service.js';
import {
  LinkStripeMeterDto,
  StripeMeterResponse,
  StripeMetersResponse,
} from './stripe-meter.dto.js';

@Controller('api/v1/stripe-meters')
export class StripeMetersController {
  constructor(private readonly links: MeterLinksService) {}

  /** Let a meter be sent to one of Stripe's, for the subscriptions that are billed by the mode `meter_events`. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({
    description: 'The meter, or the one at Stripe, is taken already (`stripe_meter_taken`).',
  })
  async linkStripeMeter(@Body() body: LinkStripeMeterDto): Promise<StripeMeterResponse> {
    return toResponse(await this.links.create(body.meter, body.event_name));
  }

  /** Which meters are sent to which of Stripe's. */
  @Get()
  @RequireScope('read')
  async listStripeMeters(): Promise<StripeMetersResponse> {
    return { data: (await this.links.list()).map(toResponse) };
  }

  /** Send a meter to Stripe no longer. What was sent stays. */
  @Delete(':meter')
  @HttpCode(204)
  @RequireScope('configure')
  async unlinkStripeMeter(@Param('meter') meter: string): Promise<void> {
    await this.links.delete(meter);
  }
}

function toResponse({ link, meter }: NamedMeterLink): StripeMeterResponse {
  const lookedState = link.failure === null ? 'pending' : 'failed';
  return {
    meter: meter.key,
    event_name: link.eventName,
    state: link.found === null ? lookedState : 'found',
    stripe_meter_id: link.found?.stripeMeterId ?? null,
    stripe_account_id: link.found?.accountId ?? null,
    failure: link.failure,
    created_at: link.createdAt.toISOString(),
  };
}
