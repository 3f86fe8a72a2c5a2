/*
 * Asks name servers about the URL of a new endpoint before anything else: with an Idempotency-Key the
 * handler runs inside a transaction, in which nothing may be asked outside. It refuses nobody itself: a
 * request that was answered before must be answered the same, wherever the name leads now.
 */
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { type UrlFault } from '../../platform/outbound/outbound-url.js';
import { EndpointsService } from './endpoints.service.js';

interface CheckedRequest {
  readonly body?: unknown;
  urlFault?: UrlFault | null;
}

@Injectable()
export class UrlFaultGuard implements CanActivate {
  constructor(private readonly endpoints: EndpointsService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<CheckedRequest>();
    const { url } = Object(request.body) as { url?: unknown };
    // Anything but text is refused by its form.
    request.urlFault = typeof url === 'string' ? await this.endpoints.findUrlFault(url) : null;
    return true;
  }
}

/** What forbids the URL in the body; null: nothing does. Needs the guard. */
export const UrlFaultOfBody = createParamDecorator(
  (_: unknown, context: ExecutionContext): UrlFault | null =>
    context.switchToHttp().getRequest<CheckedRequest>().urlFault ?? null,
);
