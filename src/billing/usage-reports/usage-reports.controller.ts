import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatInstant } from '../../kernel/instant.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { DAILY_CRON, HOURLY, type Schedule } from './report-schedule.js';
import { type ReportRun } from './usage-report.js';
import {
  CreateUsageReportDto,
  UsageReportResponse,
  UsageReportRunResponse,
} from './usage-report.dto.js';
import { type NamedReport, UsageReportsService } from './usage-reports.service.js';

@Controller('api/v1/usage-reports')
export class UsageReportsController {
  constructor(private readonly reports: UsageReportsService) {}

  /** Have usage so far told on a schedule, from the next slot on. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({
    description: 'There are as many as there may be (`too_many_usage_reports`).',
  })
  async create(@Body() body: CreateUsageReportDto): Promise<UsageReportResponse> {
    const { name, customer, plan = '' } = body;
    const report = await this.reports.create({
      name,
      of: customer === undefined ? { plan } : { customer },
      kind: body.schedule,
      schedule: toSchedule(body),
      webhookEndpoint: body.webhook_endpoint ?? null,
    });
    return toResponse(report);
  }

  /** List usage reports, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(UsageReportResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<UsageReportResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reports.list(query.limit, before), toResponse);
  }

  /** One usage report. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<UsageReportResponse> {
    return toResponse(await this.reports.get(id));
  }

  /** Report nothing any more; what was reported stays. */
  @Post(':id/archive')
  @HttpCode(200)
  @RequireScope('configure')
  async archive(@Param('id') id: string): Promise<UsageReportResponse> {
    return toResponse(await this.reports.archive(id));
  }

  /** The slots that were reported, newest first. */
  @Get(':id/runs')
  @RequireScope('read')
  @ApiPage(UsageReportRunResponse)
  async listRuns(
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<UsageReportRunResponse>> {
    const { report } = await this.reports.get(id);
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reports.listRuns(id, query.limit, before);
    return toPageResponse(page, (run) => toRunResponse(run, report.schedule.timeZone));
  }
}

function toSchedule(body: CreateUsageReportDto): Schedule {
  const timeZone = body.time_zone ?? 'UTC';
  switch (body.schedule) {
    case 'hourly':
      return HOURLY;
    case 'daily':
      return { cron: DAILY_CRON, timeZone };
    case 'cron':
      return { cron: body.cron ?? '', timeZone };
  }
}

function toResponse({ report, key }: NamedReport): UsageReportResponse {
  const { subject, schedule, nextSlotAt } = report;
  return {
    id: report.id,
    name: report.name,
    customer: subject.kind === 'customer' ? key : null,
    plan: subject.kind === 'plan' ? key : null,
    schedule: report.kind,
    cron: schedule.cron,
    time_zone: schedule.timeZone,
    webhook_endpoint: report.webhookEndpoint,
    next_slot_at: nextSlotAt && formatInstant(nextSlotAt, schedule.timeZone),
    created_at: report.createdAt.toISOString(),
    archived_at: report.archivedAt?.toISOString() ?? null,
  };
}

function toRunResponse(run: ReportRun, timeZone: string): UsageReportRunResponse {
  return {
    id: run.id,
    slot_at: formatInstant(run.slotAt, timeZone),
    missed_from: run.missedFrom && formatInstant(run.missedFrom, timeZone),
    started_at: run.startedAt.toISOString(),
    finished_at: run.finishedAt?.toISOString() ?? null,
    message_count: run.messageCount,
  };
}
