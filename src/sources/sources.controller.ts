import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
} from '@nestjs/common';
import { ApiConflictResponse, ApiOkResponse } from '@nestjs/swagger';
import { parse, stringify } from 'lossless-json';
import { invalidField } from '../kernel/errors.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { type Mapping } from './mapping.js';
import { RejectionsService } from './rejections/rejections.service.js';
import { type RejectingRule, type Source, type SourceChanges, type TokenPlace } from './source.js';
import {
  CreateSourceDto,
  type MappingDto,
  PreviewRecordDto,
  PreviewResponse,
  SourceResponse,
  UpdateSourceDto,
} from './source.dto.js';
import { type RejectingDto } from './source-watch.dto.js';
import { type PreviewedRecord, SourceIngestService } from './source-ingest.service.js';
import { effectiveMapping, SourcesService } from './sources.service.js';

const ARCHIVED = 'The source is archived (`source_archived`).';

@Controller('api/v1/sources')
export class SourcesController {
  constructor(
    private readonly sources: SourcesService,
    private readonly records: SourceIngestService,
    private readonly rejections: RejectionsService,
  ) {}

  /** Create a source: something that sends records, such as a gateway. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'There is a source with the key already (`key_taken`).' })
  async create(@Body() body: CreateSourceDto): Promise<SourceResponse> {
    const { key, name, format } = body;
    const mapping = toMapping(body.mapping);
    const tokenPlace = toTokenPlace(body.token_in);
    const source = await this.sources.create({
      key,
      name,
      format,
      mapping,
      tokenPlace,
      expectedEvery: body.expected_every ?? null,
      rejecting: toRule(body.rejecting ?? null),
      ...(body.gap_grace !== undefined && { gapGrace: body.gap_grace }),
    });
    return toResponse(source, new Map());
  }

  /** List sources, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(SourceResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<SourceResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.sources.list(query.limit, before);
    const shares = await this.rejections.findShares(page.items);
    return toPageResponse(page, (source) => toResponse(source, shares));
  }

  /** One source, by key or id. */
  @Get(':key')
  @RequireScope('read')
  async get(@Param('key') key: string): Promise<SourceResponse> {
    return await this.show(await this.sources.get(key));
  }

  /** Change the name, the mapping, where tokens are looked for, or how often it is expected to send. */
  @Patch(':key')
  @RequireScope('configure')
  @ApiConflictResponse({ description: ARCHIVED })
  async update(@Param('key') key: string, @Body() body: UpdateSourceDto): Promise<SourceResponse> {
    return await this.show(await this.sources.update(key, toChanges(body)));
  }

  /** Archive a source: it takes nothing more, and its tokens end. Its events stay, and its key stays taken. */
  @Delete(':key')
  @RequireScope('configure')
  async archive(@Param('key') key: string): Promise<SourceResponse> {
    return await this.show(await this.sources.archive(key));
  }

  /** What would a record become? Stores nothing. */
  @Post('preview')
  @HttpCode(200)
  @RequireScope('configure')
  @NaturallyIdempotent()
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiOkResponse({ type: PreviewResponse })
  preview(@Body() body: PreviewRecordDto): string {
    const { format, record } = body;
    const text = typeof record === 'string' ? record : JSON.stringify(record);
    const previewed = this.records.preview(format, toMapping(body.mapping), text);
    if (previewed === null) {
      throw invalidField(
        'record',
        'is_one_record',
        'must be one record: a JSON object, or its text',
      );
    }
    return stringify(toPreviewResponse(previewed)) ?? 'null';
  }

  private async show(source: Source): Promise<SourceResponse> {
    return toResponse(source, await this.rejections.findShares([source]));
  }
}

function toMapping(mapping: MappingDto | undefined): Partial<Mapping> {
  const { id, subject, type, time, data, ignore, sequence } = mapping ?? {};
  return {
    ...(id !== undefined && { id }),
    ...(subject !== undefined && { subject }),
    ...(type !== undefined && { type }),
    ...(time !== undefined && { time }),
    ...(data !== undefined && { data }),
    ...(ignore !== undefined && { ignore: ignore.map((filter) => ({ ...filter })) }),
    ...(sequence !== undefined && { sequence }),
  };
}

function toTokenPlace(
  place: { header?: string; query?: string } | null | undefined,
): TokenPlace | null {
  if (place?.header !== undefined) {
    return { header: place.header.toLowerCase() };
  }
  return place?.query === undefined ? null : { query: place.query };
}

function toChanges(body: UpdateSourceDto): SourceChanges {
  return {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.mapping !== undefined && { mapping: toMapping(body.mapping) }),
    ...(body.token_in !== undefined && { tokenPlace: toTokenPlace(body.token_in) }),
    ...(body.expected_every !== undefined && { expectedEvery: body.expected_every }),
    ...(body.rejecting !== undefined && { rejecting: toRule(body.rejecting) }),
    ...(body.gap_grace !== undefined && { gapGrace: body.gap_grace }),
  };
}

function toRule(rule: RejectingDto | null): RejectingRule | null {
  return rule === null
    ? null
    : {
        share: rule.share,
        minRecords: rule.min_records,
        windowSeconds: rule.window_seconds,
      };
}

function toResponse(source: Source, shares: ReadonlyMap<string, string>): SourceResponse {
  const { rejecting } = source;
  return {
    id: source.id,
    key: source.key,
    name: source.name,
    format: source.format,
    mapping: source.mapping as MappingDto,
    effective_mapping: effectiveMapping(source.format, source.mapping) as MappingDto,
    token_in: source.tokenPlace,
    expected_every: source.expectedEvery,
    last_event_at: source.lastStoredAt?.toISOString() ?? null,
    silent_since: source.silentSince?.toISOString() ?? null,
    rejecting:
      rejecting === null
        ? null
        : {
            share: rejecting.share,
            min_records: rejecting.minRecords,
            window_seconds: rejecting.windowSeconds,
          },
    rejecting_since: source.rejectingSince?.toISOString() ?? null,
    rejected_share: shares.get(source.id) ?? null,
    gap_grace: source.gapGrace,
    created_at: source.createdAt.toISOString(),
    archived_at: source.archivedAt?.toISOString() ?? null,
  };
}

function toPreviewResponse(previewed: PreviewedRecord): PreviewResponse {
  const { counter, number } = previewed.sequence ?? {};
  const sequence =
    counter === undefined || number === undefined
      ? {}
      : { sequence: { counter, number: number.toString() } };
  switch (previewed.outcome) {
    case 'ignored':
      return { outcome: 'ignored', ...sequence };
    case 'rejected':
      return {
        outcome: 'rejected',
        code: previewed.code,
        detail: previewed.detail,
        ...sequence,
      };
    case 'usable': {
      const { id, type, subject, time, data } = previewed.event;
      return {
        outcome: 'event',
        event: { id, type, subject, time, data: parse(data) },
        ...sequence,
      };
    }
  }
}
