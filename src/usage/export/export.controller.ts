import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { instantOf } from '../../kernel/instant.js';
import { RequireScope } from '../../platform/access/scope.js';
import { Outage } from '../../platform/database/outage.js';
import {
  CONTENT_TYPES,
  type LineFormat,
  preferredFormat,
} from '../../platform/http/line-format.js';
import { Log } from '../../platform/log.js';
import { writerOf } from './export-format.js';
import { ExportedUsageResponse, ExportUsageQuery } from './export-usage.dto.js';
import { type ExportRequest, ExportService, type ExportSink } from './export.service.js';

@Controller('api/v1/usage/export')
export class ExportController {
  constructor(
    private readonly exports: ExportService,
    private readonly outage: Outage,
    private readonly log: Log,
  ) {}

  /**
   * Usage of many meters, customers and windows, of any length, as lines of one moment. CSV or NDJSON
   * by `format` or the header `Accept`. An answer that ends before its end is cut off: its connection
   * is reset, and the client sees an error.
   */
  @Get()
  @RequireScope('read')
  @ApiExtraModels(ExportedUsageResponse)
  @ApiOkResponse({
    description: 'Lines, by meter and window. CSV has a header, and a column for each group.',
    content: {
      'application/x-ndjson': { schema: { $ref: getSchemaPath(ExportedUsageResponse) } },
      'text/csv': { schema: { type: 'string' } },
    },
  })
  async exportUsage(
    @Query() query: ExportUsageQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const format = query.format ?? preferredFormat(request.headers.accept ?? '');
    const body = new PassThrough();
    const hangUp = new AbortController();
    reply.raw.once('close', () => {
      hangUp.abort();
    });
    const begun = performance.now();
    const sink = sinkOf(body, format, query);
    const write = async (): Promise<void> => {
      const rows = await this.exports.run(toRequest(query), sink, hangUp.signal);
      sink.end();
      const duration_ms = Math.round(performance.now() - begun);
      this.log.event('usage.exported', { rows, format, duration_ms });
    };
    const finished = write();
    // Until something is there to be sent, a fault is answered as any other.
    await Promise.race([once(body, 'readable'), finished]);
    finished.catch((error: unknown) => {
      this.cutOff(request, body, hangUp.signal.aborted ? null : error);
    });
    void reply.header('content-type', CONTENT_TYPES[format]);
    return body;
  }

  /** Resets the connection: an orderly end could be taken for the end of the rows (HTTP/1.0 has no other). */
  private cutOff({ raw }: FastifyRequest, body: PassThrough, fault: unknown): void {
    if (fault !== null) {
      this.outage.report('usage.export_failed', fault);
    }
    raw.socket.resetAndDestroy();
    body.destroy();
  }
}

function sinkOf(
  body: PassThrough,
  format: LineFormat,
  { group_by: groupBy = [] }: ExportUsageQuery,
): ExportSink & { end(): void } {
  let writer = writerOf(format, groupBy, 'UTC');
  let head = '';
  return {
    begin: (timeZone) => {
      writer = writerOf(format, groupBy, timeZone);
      ({ head } = writer);
    },
    take: async (rows, signal) => {
      const hasRoom = body.write(head + writer.write(rows));
      head = '';
      if (!hasRoom) {
        await once(body, 'drain', { signal });
      }
    },
    end: () => {
      body.end(head);
    },
  };
}

function toRequest(query: ExportUsageQuery): ExportRequest {
  return {
    meters: query.meter ?? [],
    customer: query.customer ?? null,
    from: instantOf(query.from),
    to: instantOf(query.to),
    window: query.window ?? null,
    timeZone: query.time_zone ?? null,
    by: query.by ?? 'customer',
    groupBy: query.group_by ?? [],
  };
}
