import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { invalidField } from '../../kernel/errors.js';
import { RequireScope } from '../../platform/access/scope.js';
import { CustomerLinkResponse, LinkCustomerDto } from './link-customer.dto.js';
import { type LinkWish } from './link.js';
import { type CustomerAtStripe, LinksService } from './links.service.js';

@Controller('api/v1/customers/:id/stripe')
export class LinksController {
  constructor(private readonly links: LinksService) {}

  /** Link a customer to one at Stripe, or create it there. It is done in the background; GET says what came of it. */
  @Post()
  @HttpCode(202)
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The customer has an id at Stripe already, or is being linked (`already_linked`, `link_pending`).',
  })
  async linkToStripe(
    @Param('id') id: string,
    @Body() body: LinkCustomerDto,
  ): Promise<CustomerLinkResponse> {
    return toResponse(await this.links.request(id, toWish(body)));
  }

  /** Who the customer is at Stripe, and what became of the last link. */
  @Get()
  @RequireScope('read')
  async getStripeLink(@Param('id') id: string): Promise<CustomerLinkResponse> {
    return toResponse(await this.links.find(id));
  }
}

function toWish({ how, stripe_customer_id: stripeCustomerId }: LinkCustomerDto): LinkWish {
  if (how !== 'id' && stripeCustomerId !== undefined) {
    throw invalidField('stripe_customer_id', 'unknown_field', 'is a field of the way "id" only');
  }
  return how === 'id' ? { how, stripeCustomerId: stripeCustomerId ?? '' } : { how };
}

function toResponse({ customer, link }: CustomerAtStripe): CustomerLinkResponse {
  return {
    customer: customer.key,
    stripe_customer_id: customer.stripeCustomerId,
    state: link?.state ?? 'none',
    how: link?.wish.how ?? null,
    failure_code: link?.failureCode ?? null,
    failure: link?.lastError ?? null,
    stripe_account_id: link?.stripeAccountId ?? null,
    attempts: link?.attemptCount ?? 0,
    requested_at: link?.createdAt.toISOString() ?? null,
    updated_at: link?.updatedAt.toISOString() ?? null,
  };
}
