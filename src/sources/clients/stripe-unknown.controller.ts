import { All, Controller, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { Public } from '../../platform/access/scope.js';
import { RAW_BODY } from '../../platform/http/raw-body.js';
import { STRIPE_PROBLEM } from './stripe-protocol.js';

/**
 * The rest of Stripe's API, which is not here. A plain 404 would look like a success to its clients:
 * whoever points a whole client at this service would believe that he has created a customer.
 */
@ApiExcludeController()
@Controller()
export class StripeUnknownController {
  @All(['v1/*', 'v2/*'])
  @Public()
  @RouteConfig({ ...RAW_BODY, ...STRIPE_PROBLEM })
  @NaturallyIdempotent()
  refuse(@Req() { method, url }: FastifyRequest): never {
    const path = url.split('?')[0] ?? '';
    throw new DomainError(
      'not_found',
      'not_found',
      `There is no ${method} ${path} here; of Stripe's API this service takes meter events and their adjustments only.`,
    );
  }
}
