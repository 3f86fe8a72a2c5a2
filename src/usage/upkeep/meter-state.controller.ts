import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { MeterResponse, toMeterResponse } from '../../meters/meter-response.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import { type MeterHistory } from '../batches.store.js';
import { ArchivingService } from './archiving.service.js';
import { HistoryService } from './history.service.js';
import { type MeterHistoryResponse, MeterWithHistoryResponse } from './upkeep.dto.js';

@Controller('api/v1/meters')
export class MeterStateController {
  constructor(
    private readonly histories: HistoryService,
    private readonly archiving: ArchivingService,
  ) {}

  /**
   * One meter, by id or key. With how far the usage that was stored before it is counted; answers
   * about its usage are exact meanwhile, and take longer.
   */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<MeterWithHistoryResponse> {
    const { meter, history, failing } = await this.histories.get(id);
    return {
      ...toMeterResponse(meter),
      history: toHistoryResponse(history),
      failing: failing && {
        since: failing.since.toISOString(),
        error: failing.error,
        next_attempt_at: failing.nextAttemptAt.toISOString(),
      },
    };
  }

  /**
   * Archive a meter: usage from now on is not counted. What it has counted stays, is corrected and is
   * billed as before; new versions of plans cannot name it. An archived meter stays as it is.
   */
  @Post(':id/archive')
  @HttpCode(200)
  @RequireScope('configure')
  @NaturallyIdempotent()
  async archive(@Param('id') id: string): Promise<MeterResponse> {
    return toMeterResponse(await this.archiving.archive(id));
  }
}

function toHistoryResponse(history: MeterHistory | null): MeterHistoryResponse {
  if (history === null) {
    return { state: 'pending', counted_events: null, total_events: null, progress: 0 };
  }
  if (history.finishedAt !== null) {
    return { state: 'complete', counted_events: null, total_events: null, progress: 1 };
  }
  const counted = Number(history.doneEvents);
  const total = Number(history.wholeEvents);
  const progress = total === 0 ? 0 : counted / total;
  return { state: 'running', counted_events: counted, total_events: total, progress };
}
