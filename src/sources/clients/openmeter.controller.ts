import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiNoContentResponse } from '@nestjs/swagger';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import {
  ClientIntake,
  type Protocol,
  refuseIfNoneTaken,
  TakesFromClient,
} from './client-intake.js';

const OPENMETER: Protocol = { name: 'openmeter', formats: ['openmeter', 'cloudevents'] };
const EVENT = { type: 'object', additionalProperties: true } as const;

@Controller('compat/openmeter/api/v1/events')
export class OpenMeterController {
  constructor(private readonly intake: ClientIntake) {}

  /**
   * Send CloudEvents as OpenMeter's clients do. What is refused is kept; the request is refused only
   * when nothing of it is taken. To send the same again is safe.
   */
  @Post()
  @HttpCode(204)
  @TakesFromClient()
  @ApiConsumes(
    'application/cloudevents-batch+json',
    'application/cloudevents+json',
    'application/json',
  )
  @ApiBody({ schema: { oneOf: [EVENT, { type: 'array', items: EVENT }] } })
  @ApiNoContentResponse()
  async sendCloudEvents(@Req() request: AuthenticatedRequest): Promise<void> {
    const { receipts } = await this.intake.receive(request, OPENMETER);
    refuseIfNoneTaken(receipts);
  }
}
