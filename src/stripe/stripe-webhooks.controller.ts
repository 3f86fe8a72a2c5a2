import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiHeader,
  ApiServiceUnavailableResponse,
} from '@nestjs/swagger';
import { Public } from '../platform/access/scope.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import { ReceivedResponse, StripeEventBody } from './receive-event.dto.js';
import { ProviderEventsService } from './provider-events.service.js';

@Controller('webhooks/stripe')
export class StripeWebhooksController {
  constructor(private readonly events: ProviderEventsService) {}

  /** For Stripe's webhooks only: signed by Stripe, answered once the event is stored. */
  @Post()
  @HttpCode(200)
  @Public()
  @RouteConfig(RAW_BODY)
  @ApiBody({ type: StripeEventBody })
  @ApiHeader({ name: 'Stripe-Signature', required: true, description: 'Made by Stripe.' })
  @ApiBadRequestResponse({
    description:
      'The signature is missing, wrong or old, or the body is no event (`missing_signature`, `invalid_signature`, `invalid_event`).',
  })
  @ApiServiceUnavailableResponse()
  async receiveStripe(
    @Body() body: Buffer | undefined,
    @Headers('stripe-signature') signature: string | undefined,
  ): Promise<ReceivedResponse> {
    await this.events.receive(body ?? Buffer.alloc(0), signature);
    return { received: true };
  }
}
