import { Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiUnprocessableEntityResponse,
} from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { stringify } from 'lossless-json';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { isRecord } from '../record.js';
import { type RecordReceipt } from '../read-records.js';
import { type ReceivedRecords } from '../source-ingest.service.js';
import { ClientIntake, isTaken, type Protocol, TakesFromClient } from './client-intake.js';
import {
  LagoEventBody,
  LagoEventResponse,
  LagoEventsBody,
  LagoEventsResponse,
} from './clients.dto.js';

const LAGO: Protocol = { name: 'lago', formats: ['lago'] };
const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = 'application/problem+json';
const NONE_TAKEN = {
  description: 'Nothing was taken (`validation_errors`); `error_details` says why.',
};
const CONFLICT = 'value_already_exist';

/** Lago's events. One that is sent again as it was is answered as the first time, and counts once. */
@Controller('compat/lago/api/v1/events')
export class LagoController {
  constructor(private readonly intake: ClientIntake) {}

  /** Send an event as Lago's clients do. To send the same again is safe. */
  @Post()
  @HttpCode(200)
  @Header('content-type', JSON_TYPE)
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ type: LagoEventBody })
  @ApiOkResponse({ type: LagoEventResponse })
  @ApiUnprocessableEntityResponse(NONE_TAKEN)
  async sendLagoEvent(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Buffer> {
    const received = await this.intake.receive(request, LAGO);
    const [event] = takenOf(received);
    const [refused] = received.receipts;
    return event === undefined && refused !== undefined
      ? refuse(reply, faultsOf(refused))
      : toText({ event });
  }

  /** Send events as Lago's clients do. What is refused is kept, and shown by its place in the batch. */
  @Post('batch')
  @HttpCode(200)
  @Header('content-type', JSON_TYPE)
  @TakesFromClient()
  @ApiConsumes('application/json')
  @ApiBody({ type: LagoEventsBody })
  @ApiOkResponse({ type: LagoEventsResponse })
  @ApiUnprocessableEntityResponse(NONE_TAKEN)
  async sendLagoEvents(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Buffer> {
    const received = await this.intake.receive(request, LAGO);
    const events = takenOf(received);
    const refused = received.receipts.filter((receipt) => !isTaken(receipt));
    const details = Object.fromEntries(
      refused.map((receipt) => [receipt.index, faultsOf(receipt)]),
    );
    if (refused.length > 0 && events.length === 0) {
      return refuse(reply, details);
    }
    return toText({ events, ...(refused.length > 0 && { error_details: details }) });
  }
}

function takenOf({ receipts, values }: ReceivedRecords): object[] {
  return receipts.filter(isTaken).map(({ id, index }) => {
    const value = values[index];
    return { lago_id: id, ...(isRecord(value) ? value : {}) };
  });
}

/** As Lago writes them: fields with their faults. */
function faultsOf({ status, code = 'rejected', detail = '' }: RecordReceipt): object {
  if (status === 'conflict') {
    return { transaction_id: [CONFLICT] };
  }
  const field = /^(\w+):/.exec(detail)?.[1] ?? 'event';
  return { [field]: [code] };
}

/** As bytes, or Fastify would add a charset, which the type of problems does not have. */
function refuse(reply: FastifyReply, details: object): Buffer {
  void reply.status(422).header('content-type', PROBLEM_TYPE);
  return Buffer.from(
    toText({
      type: 'about:blank',
      title: 'validation errors',
      status: 422,
      code: 'validation_errors',
      detail: 'Nothing of the request was taken.',
      error: 'Unprocessable entity',
      error_details: details,
    }),
  );
}

/** With every digit of its numbers. */
function toText(answer: object): string {
  return stringify(answer) ?? '{}';
}
