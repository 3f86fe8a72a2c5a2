import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { CallerKeyId } from '../platform/access/caller.js';
import { RequireScope } from '../platform/access/scope.js';
import { VoidedEventResponse, VoidEventDto } from './correct-events.dto.js';
import { CorrectionsService } from './corrections.service.js';

@Controller('api/v1/events')
export class CorrectionsController {
  constructor(private readonly corrections: CorrectionsService) {}

  /**
   * Void an event: it counts no longer, nor when it is sent again. Voiding it again changes nothing
   * and answers as the first time. Line items of closed periods stay as they are.
   */
  @Post('void')
  @HttpCode(200)
  @RequireScope('bill')
  async void(
    @Body() { source, id, reason }: VoidEventDto,
    @CallerKeyId() by: string,
  ): Promise<VoidedEventResponse> {
    const voided = await this.corrections.void({ source, id }, { reason, by });
    return {
      source,
      id,
      voided_at: voided.at.toISOString(),
      void_reason: voided.reason,
      voided_by: voided.by,
    };
  }
}
