import { Controller, HttpCode, Injectable, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiProduces } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { Log } from '../../platform/log.js';
import { encodeExportResponse, type ExportResponse } from '../otlp-protobuf.js';
import { isProtobuf, PROTOBUF_TYPE } from '../otlp-records.js';
import { type RecordReceipt } from '../read-records.js';
import { ClientIntake, isTaken, type Protocol, TakesFromClient } from './client-intake.js';
import { ExportLogsBody, ExportLogsResponse } from './clients.dto.js';

const OTLP: Protocol = { name: 'otlp', formats: ['otlp-logs', 'envoy-otlp'] };

/** OTLP/HTTP (opentelemetry.io, OTLP specification 1.x), its logs. */
@Injectable()
abstract class OtlpRoutes {
  constructor(
    private readonly intake: ClientIntake,
    private readonly log: Log,
  ) {}

  /**
   * Send log records by OTLP. They come in JSON or protobuf, each of which becomes a usage event; the
   * answer counts those that were refused. To send the same again is safe.
   */
  @Post('v1/logs')
  @HttpCode(200)
  @TakesFromClient()
  @ApiConsumes('application/json', PROTOBUF_TYPE)
  @ApiBody({ type: ExportLogsBody })
  @ApiProduces('application/json', PROTOBUF_TYPE)
  @ApiOkResponse({ type: ExportLogsResponse })
  async sendLogs(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExportLogsResponse | Buffer> {
    const { receipts } = await this.receive(request);
    const response = toResponse(receipts);
    if (!isProtobuf(request.headers['content-type'] ?? '')) {
      return response;
    }
    void reply.header('content-type', PROTOBUF_TYPE);
    return encodeExportResponse(response);
  }

  /** Exporters drop what is answered 500, and send again what is answered 503. */
  private async receive(
    request: AuthenticatedRequest,
  ): Promise<{ receipts: readonly RecordReceipt[] }> {
    try {
      return await this.intake.receive(request, OTLP);
    } catch (error) {
      if (error instanceof DomainError) {
        throw error;
      }
      this.log.problem('request.failed', error, { path: '/v1/logs' });
      throw new DomainError('unavailable', 'unavailable', 'Something went wrong here.', {
        cause: error,
      });
    }
  }
}

@Controller('api/v1/sources/:key')
export class SourceOtlpController extends OtlpRoutes {}

@Controller()
export class OtlpController extends OtlpRoutes {}

function toResponse(receipts: readonly RecordReceipt[]): ExportResponse {
  const refused = receipts.filter((receipt) => !isTaken(receipt));
  const [first] = refused;
  return first === undefined
    ? {}
    : {
        partialSuccess: {
          rejectedLogRecords: String(refused.length),
          errorMessage: `The first, number ${first.index}: ${first.detail ?? first.code ?? ''}`,
        },
      };
}
