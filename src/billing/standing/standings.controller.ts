import { Controller, Get, Param, Query } from '@nestjs/common';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { StandingResponse, StandingsQuery } from './list-standings.dto.js';
import { pastDueSince } from './standing.js';
import { type NamedStanding, StandingsReader } from './standings.reader.js';

@Controller('api/v1')
export class StandingsController {
  constructor(private readonly reader: StandingsReader) {}

  /** How a customer stands: good, past due or suspended, and for which invoices. */
  @Get('customers/:id/standing')
  @RequireScope('read')
  async getStanding(@Param('id') id: string): Promise<StandingResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** List customers who are past due or suspended, newest customers first. */
  @Get('customer-standings')
  @RequireScope('read')
  @ApiPage(StandingResponse)
  async listStandings(@Query() query: StandingsQuery): Promise<PageResponse<StandingResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.list(query.standing ?? null, query.limit, before);
    return toPageResponse(page, toResponse);
  }
}

function toResponse({ customer, standing, unpaid }: NamedStanding): StandingResponse {
  return {
    customer: customer.key,
    standing: standing?.standing ?? 'good',
    changed_at: standing?.changedAt.toISOString() ?? null,
    next_change_at: standing?.nextChangeAt?.toISOString() ?? null,
    past_due_since: pastDueSince(unpaid)?.toISOString() ?? null,
    unpaid_invoices: unpaid.map(({ invoiceId, pastDueAt, isWrittenOff }) => ({
      invoice: invoiceId,
      past_due_at: pastDueAt?.toISOString() ?? null,
      written_off: isWrittenOff,
    })),
  };
}
