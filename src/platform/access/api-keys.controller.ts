import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiPage, PageQuery, type PageResponse, readCursor, toPageResponse } from '../http/page.js';
import { type ApiKey } from './api-key.js';
import { ApiKeysService } from './api-keys.service.js';
import { ApiKeyResponse, CreateApiKeyDto, CreatedApiKeyResponse } from './create-api-key.dto.js';
import { RequireScope } from './scope.js';

@Controller('api/v1/api-keys')
@RequireScope('admin')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  /** Make a key. Its token is in this answer only. */
  @Post()
  async create(@Body() body: CreateApiKeyDto): Promise<CreatedApiKeyResponse> {
    const { key, token } = await this.apiKeys.create(body.name, body.scopes);
    return { ...toResponse(key), token };
  }

  /** List keys, newest first; tokens are not shown. */
  @Get()
  @ApiPage(ApiKeyResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<ApiKeyResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.apiKeys.list(query.limit, before), toResponse);
  }

  /** Revoke a key. */
  @Delete(':id')
  async revoke(@Param('id') id: string): Promise<ApiKeyResponse> {
    return toResponse(await this.apiKeys.revoke(id));
  }
}

function toResponse(key: ApiKey): ApiKeyResponse {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: [...key.scopes],
    source_id: key.sourceId,
    created_at: key.createdAt.toISOString(),
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}
