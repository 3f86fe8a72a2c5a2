import { createHash } from 'node:crypto';
import { Controller, Get, Header, Headers, Param, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Clock } from '../../kernel/clock.js';
import { RequireScope } from '../../platform/access/scope.js';
import { AccessResponse } from './access.dto.js';
import { AccessReader } from './access.reader.js';
import { type Access } from './access.store.js';

@Controller('api/v1/customers')
export class AccessController {
  constructor(
    private readonly reader: AccessReader,
    private readonly clock: Clock,
  ) {}

  /** Whether a customer may use what is metered, for gateways to ask at each request. */
  @Get(':id/access')
  @RequireScope('read')
  @Header('cache-control', 'private, no-cache')
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'The ETag of an answer that is at hand: if it still holds, the answer is 304.',
  })
  @ApiOkResponse({
    type: AccessResponse,
    headers: { ETag: { schema: { type: 'string' }, description: 'Changes when the answer does.' } },
  })
  @ApiResponse({ status: 304, description: 'The answer that is at hand still holds.' })
  async getAccess(
    @Param('id') id: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AccessResponse | undefined> {
    const answer = toResponse(await this.reader.get(id, this.clock.now()));
    const tag = tagOf(answer);
    reply.header('etag', tag);
    if (isKnown(known, tag)) {
      reply.status(304);
      return undefined;
    }
    return answer;
  }
}

function toResponse({ customer, standing, since, suspensions }: Access): AccessResponse {
  return {
    customer,
    access: standing === 'suspended' ? 'denied' : 'granted',
    standing,
    since: since?.toISOString() ?? null,
    suspended_by: [...suspensions],
  };
}

/** The same for the same answer, whichever replica gives it. */
function tagOf(answer: AccessResponse): string {
  return `"${createHash('sha256').update(JSON.stringify(answer)).digest('base64url').slice(0, 22)}"`;
}

/** RFC 9110, section 13.1.2: weak comparison, of any of the tags, or `*`. */
function isKnown(header: string | undefined, tag: string): boolean {
  return (header ?? '')
    .split(',')
    .map((one) => one.trim().replace(/^W\//, ''))
    .some((one) => one === '*' || one === tag);
}
