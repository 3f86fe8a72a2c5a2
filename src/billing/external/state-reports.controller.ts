import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { instantOf } from '../../kernel/instant.js';
import { RequireScope } from '../../platform/access/scope.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { toResponse } from '../ledger/line-items.controller.js';
import { LineItemResponse } from '../ledger/list-line-items.dto.js';
import { ReportStateDto } from './report-state.dto.js';
import { type StateReport, StateReportsService } from './state-reports.service.js';

@Controller('api/v1/line-items')
export class StateReportsController {
  constructor(
    private readonly reports: StateReportsService,
    private readonly lineItems: LedgerReader,
  ) {}

  /** Report what became of a line item at the billing platform that collects it. */
  @Post(':id/state')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description:
      'No other platform collects it, or it is further than that (`not_external`, `state_passed`).',
  })
  async reportState(
    @Param('id') id: string,
    @Body() body: ReportStateDto,
  ): Promise<LineItemResponse> {
    await this.reports.report(id, toReport(body));
    return toResponse(await this.lineItems.get(id));
  }
}

function toReport(body: ReportStateDto): StateReport {
  return {
    state: body.state,
    externalId: body.external_id ?? null,
    dueAt: typeof body.due_at === 'string' ? instantOf(body.due_at) : null,
    invoiceNumber: body.invoice_number ?? null,
    invoiceUrl: body.invoice_url ?? null,
  };
}
