import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiParam } from '@nestjs/swagger';
import { type AuthenticatedRequest } from '../platform/access/api-key.guard.js';
import { DirectRoute } from '../platform/http/direct-route.js';
import { RECORD_TYPES, type RecordReceipt } from './read-records.js';
import { ReceivedRecordsResponse } from './source.dto.js';
import { SourceIngestService } from './source-ingest.service.js';
import { TakesRecords } from './takes-records.js';

@Controller('api/v1/sources/:key/events')
export class SourceEventsController {
  constructor(private readonly records: SourceIngestService) {}

  /**
   * Send records in the format of the source. The answer comes after they are stored and says for
   * each what became of it. Sending the same request again is always safe. The key may also be the
   * password or the user of Basic, or stand where `token_in` of the source says.
   */
  @Post()
  @HttpCode(200)
  @DirectRoute()
  @TakesRecords()
  @ApiParam({ name: 'key', type: String })
  @ApiConsumes(...RECORD_TYPES)
  @ApiBody({
    description: 'A record, an array of them, or one on each line, as the format has it.',
    schema: {
      oneOf: [
        { type: 'object', additionalProperties: true },
        { type: 'array', items: { type: 'object', additionalProperties: true } },
        { type: 'string' },
      ],
    },
  })
  @ApiOkResponse({ type: ReceivedRecordsResponse })
  async send(@Req() request: AuthenticatedRequest): Promise<ReceivedRecordsResponse | object> {
    const { key } = request.params as { key: string };
    const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
    const contentType = request.headers['content-type'] ?? '';
    const { receipts, reply } = await this.records.receive(key, body, {
      contentType,
      requestKey: null,
    });
    return reply ?? toResponse(receipts);
  }
}

function toResponse(receipts: readonly RecordReceipt[]): ReceivedRecordsResponse {
  const count = (status: RecordReceipt['status']): number =>
    receipts.reduce((sum, receipt) => sum + (receipt.status === status ? 1 : 0), 0);
  return {
    accepted: count('accepted'),
    duplicates: count('duplicate'),
    conflicts: count('conflict'),
    rejected: count('rejected'),
    ignored: count('ignored'),
    results: [...receipts],
  };
}
