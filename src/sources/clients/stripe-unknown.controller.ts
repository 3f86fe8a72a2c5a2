import { All, Controller, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { Public } from '../../platform/access/scope.js';
import { type RefusesAll } from '../../platform/access/admit-first.js';
import { STRIPE_PROBLEM } from './stripe-protocol.js';

/** Before the body is read, which anybody can send. */
const REFUSES_ALL: RefusesAll = {
  refuse: ({ method, url }) => {
    const path = url.split('?')[0] ?? '';
    return new DomainError(
      'not_found',
      'not_found',
      `There is no ${method} ${path} here; of Stripe's API this service takes meter events and their adjustments only.`,
    );
  },
};

/**
 * The rest of Stripe's API, which is not here. A plain 404 would look like a success to its clients:
 * whoever points a whole client at this service would believe that he has created a customer.
 */
@ApiExcludeController()
@Controller()
export class StripeUnknownController {
  @All(['v1/*', 'v2/*'])
  @Public()
  @RouteConfig({ ...STRIPE_PROBLEM, ...REFUSES_ALL })
  @NaturallyIdempotent()
  refuse(@Req() request: FastifyRequest): never {
    throw REFUSES_ALL.refuse(request);
  }
}
