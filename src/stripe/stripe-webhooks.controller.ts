import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody } from '@nestjs/swagger';
import { Public } from '../platform/access/scope.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import { ProviderEventsService } from './provider-events.service.js';

@Controller('webhooks/stripe')
export class StripeWebhooksController {
  constructor(private readonly events: ProviderEventsService) {}

  /** For Stripe's webhooks only: signed by Stripe, answered once the event is stored. */
  @Post()
  @HttpCode(200)
  @Public()
  @RouteConfig(RAW_BODY)
  @ApiBody({ schema: { type: 'object' } })
  async receive(
    @Body() body: Buffer | undefined,
    @Headers('stripe-signature') signature: string | undefined,
  ): Promise<{ received: true }> {
    await this.events.receive(body ?? Buffer.alloc(0), signature);
    return { received: true };
  }
}
