import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { decimal, formatDecimal } from '../kernel/decimal.js';
import { instantOf } from '../kernel/instant.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { CreateMeterDto, MeterResponse, UpdateMeterDto } from './create-meter.dto.js';
import { toFilter } from './filter-rules.js';
import { type MeterFilterDto } from './meter-filter.dto.js';
import { type Aggregation, type Meter, type MeterValue, propertyOf, valueOf } from './meter.js';
import { MetersReader } from './meters.reader.js';
import { MetersService, type NewMeter } from './meters.service.js';

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
    return toResponse(await this.meters.create(toInput(body)));
  }

  /** List meters, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(MeterResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<MeterResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(query.limit, before), toResponse);
  }

  /** One meter, by id or key. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<MeterResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** Change the name or the description. */
  @Patch(':id')
  @RequireScope('configure')
  async update(@Param('id') id: string, @Body() body: UpdateMeterDto): Promise<MeterResponse> {
    return toResponse(await this.meters.describe(id, body.name ?? null, body.description ?? null));
  }
}

function toInput(body: CreateMeterDto): NewMeter {
  const groups = Object.entries(body.group_by ?? {}).map(([key, property]) => ({ key, property }));
  return {
    key: body.key,
    name: body.name,
    description: body.description ?? '',
    unit: body.unit ?? 'unit',
    eventType: body.event_type,
    aggregation: toAggregation(body),
    filters: (body.filters ?? []).map(toFilter),
    groupBy: groups.toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    countsFrom: typeof body.counts_from === 'string' ? instantOf(body.counts_from) : null,
    archivedAt: null,
  };
}

function toAggregation(body: CreateMeterDto): Aggregation {
  const { aggregation: kind, value_property: path = '', value: text } = body;
  const value: MeterValue =
    text === undefined ? { kind: 'property', path } : { kind: 'expression', text };
  switch (kind) {
    case 'count':
      return { kind };
    case 'unique_count':
      return { kind, property: path };
    case 'percentile':
      return { kind, value, percentile: formatDecimal(decimal(String(body.percentile))) };
    case 'sum':
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'time_weighted_sum':
      return { kind, value };
  }
}

function toResponse(meter: Meter): MeterResponse {
  const { aggregation } = meter;
  const value = valueOf(aggregation);
  return {
    id: meter.id,
    key: meter.key,
    name: meter.name,
    description: meter.description,
    unit: meter.unit,
    event_type: meter.eventType,
    aggregation: aggregation.kind,
    value_property: propertyOf(aggregation),
    value: value?.kind === 'expression' ? value.text : null,
    percentile: aggregation.kind === 'percentile' ? aggregation.percentile : null,
    filters: [...meter.filters] as MeterFilterDto[],
    group_by: Object.fromEntries(meter.groupBy.map(({ key, property }) => [key, property])),
    counts_from: meter.countsFrom?.toISOString() ?? null,
    archived_at: meter.archivedAt?.toISOString() ?? null,
    created_at: meter.createdAt.toISOString(),
  };
}
