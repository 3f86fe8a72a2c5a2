import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import { ChangeEndpointDto, SubscriptionEndpointResponse } from './change-endpoint.dto.js';
import { SubscriptionsService } from './subscriptions.service.js';

@Controller('api/v1/subscriptions')
export class SubscriptionEndpointController {
  constructor(private readonly subscriptions: SubscriptionsService) {}

  /** Tell another webhook endpoint of line items from now on; with the provider `webhook` only. */
  @Post(':id/webhook-endpoint')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description: 'The subscription is not billed through a webhook (`not_by_webhook`).',
  })
  async changeEndpoint(
    @Param('id') id: string,
    @Body() body: ChangeEndpointDto,
  ): Promise<SubscriptionEndpointResponse> {
    await this.subscriptions.tellElsewhere(id, body.webhook_endpoint);
    return { subscription: id, webhook_endpoint: body.webhook_endpoint };
  }
}
