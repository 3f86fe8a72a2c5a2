import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { CreateMeterDto, UpdateMeterDto } from './create-meter.dto.js';
import { toDefinition } from './meter-definition.js';
import { MeterResponse, toMeterResponse } from './meter-response.js';
import { MetersReader } from './meters.reader.js';
import { MetersService } from './meters.service.js';

@Controller('api/v1/meters')
export class MetersController {
  constructor(
    private readonly meters: MetersService,
    private readonly reader: MetersReader,
  ) {}

  /** Create a meter. Its definition cannot be changed later. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'There is a meter with the key already (`key_taken`).' })
  async create(@Body() body: CreateMeterDto): Promise<MeterResponse> {
    return toMeterResponse(
      await this.meters.create({ ...toDefinition(body), key: body.key, name: body.name }),
    );
  }

  /** List meters, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(MeterResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<MeterResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(query.limit, before), toMeterResponse);
  }

  /** Change the name or the description. */
  @Patch(':id')
  @RequireScope('configure')
  async update(@Param('id') id: string, @Body() body: UpdateMeterDto): Promise<MeterResponse> {
    return toMeterResponse(
      await this.meters.describe(id, body.name ?? null, body.description ?? null),
    );
  }
}
