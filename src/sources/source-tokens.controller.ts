import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { DomainError } from '../kernel/errors.js';
import { allows, type ApiKey } from '../platform/access/api-key.js';
import { type AuthenticatedRequest } from '../platform/access/api-key.guard.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import {
  CreatedSourceTokenResponse,
  CreateSourceTokenDto,
  SourceTokenResponse,
} from './source.dto.js';
import { SourcesService } from './sources.service.js';

@Controller('api/v1/sources/:key/tokens')
export class SourceTokensController {
  constructor(private readonly sources: SourcesService) {}

  /**
   * Make a token that may send to this source, and nothing else. With the scope `bill`, which only
   * a key that has it can give, it may also cancel meter events of this source, as Stripe's clients
   * do. It is in this answer only.
   */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'The source is archived (`source_archived`).' })
  async createToken(
    @Param('key') key: string,
    @Body() { name, scopes = ['ingest'] }: CreateSourceTokenDto,
    @Req() { apiKey }: AuthenticatedRequest,
  ): Promise<CreatedSourceTokenResponse> {
    if (scopes.includes('bill') && !allows(apiKey?.scopes ?? [], 'bill')) {
      throw new DomainError(
        'forbidden',
        'missing_scope',
        "This key lacks the scope 'bill', and so cannot give it to a token.",
      );
    }
    const created = await this.sources.createToken(key, name, scopes);
    return { ...toResponse(created.key), token: created.token };
  }

  /** List the tokens of a source, newest first; they themselves are not shown. */
  @Get()
  @RequireScope('read')
  @ApiPage(SourceTokenResponse)
  async listTokens(
    @Param('key') key: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<SourceTokenResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.sources.listTokens(key, query.limit, before), toResponse);
  }

  /** Revoke a token. */
  @Delete(':id')
  @RequireScope('configure')
  async revokeToken(
    @Param('key') key: string,
    @Param('id') id: string,
  ): Promise<SourceTokenResponse> {
    return toResponse(await this.sources.revokeToken(key, id));
  }
}

function toResponse(token: ApiKey): SourceTokenResponse {
  return {
    id: token.id,
    name: token.name,
    hint: token.hint,
    scopes: [...token.scopes],
    created_at: token.createdAt.toISOString(),
    revoked_at: token.revokedAt?.toISOString() ?? null,
  };
}
