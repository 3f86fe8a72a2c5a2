import { Body, Controller, Headers, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse } from '@nestjs/swagger';
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
  @TakesRecords()
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
  async send(
    @Param('key') key: string,
    @Body() body: Buffer | undefined,
    @Headers('content-type') contentType: string | undefined,
  ): Promise<ReceivedRecordsResponse | object> {
    const { receipts, reply } = await this.records.receive(key, body ?? Buffer.alloc(0), {
      contentType: contentType ?? '',
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
