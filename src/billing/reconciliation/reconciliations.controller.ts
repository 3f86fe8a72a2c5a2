import { Readable } from 'node:stream';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiConflictResponse, ApiExtraModels, ApiOkResponse, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { instantOf } from '../../kernel/instant.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  CONTENT_TYPES,
  type LineFormat,
  preferredFormat,
} from '../../platform/http/line-format.js';
import {
  ApiPage,
  MAX_PAGE_SIZE,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { AcceptingService } from './accepting.service.js';
import { type Difference, type Money, wordsOf } from './difference.js';
import {
  AcceptDifferenceDto,
  DifferenceResponse,
  DifferencesQuery,
  type MoneyResponse,
  ReconcileDto,
  ReconciliationResponse,
  ReconciliationWithDifferencesResponse,
  RepairsResponse,
  ReportLineResponse,
  ReportQuery,
  RequestRepairsDto,
} from './reconciliation.dto.js';
import { type Reconciliation } from './reconciliation.js';
import { showTotals } from './reconciliation-message.js';
import { ReconciliationsService } from './reconciliations.service.js';
import { RepairsService } from './repairs.service.js';
import { differenceLines, headOf, totalLines, writeLines } from './report-lines.js';
import { shown } from './totals.js';

/** In the answer of a reconciliation itself. */
const MAX_SHOWN_DIFFERENCES = 100;

@Controller('api/v1/reconciliations')
export class ReconciliationsController {
  constructor(
    private readonly reconciliations: ReconciliationsService,
    private readonly repairs: RepairsService,
    private readonly accepting: AcceptingService,
  ) {}

  /** Compare the ledger with Stripe, in the background; while the same window is running, it is that one. */
  @Post()
  @RequireScope('bill')
  @ApiConflictResponse({
    description: 'There is no key to call Stripe with (`stripe_not_configured`).',
  })
  async reconcile(
    @Body() body: ReconcileDto,
    @CallerKeyId() by: string,
  ): Promise<ReconciliationWithDifferencesResponse> {
    const window = { start: instantOf(body.from), end: instantOf(body.to) };
    return await this.withDifferences(await this.reconciliations.request(window, by));
  }

  /** List reconciliations, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(ReconciliationResponse)
  async listReconciliations(
    @Query() query: PageQuery,
  ): Promise<PageResponse<ReconciliationResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reconciliations.list(query.limit, before), toResponse);
  }

  /** One reconciliation, with the sums of both sides, and what differs. */
  @Get(':id')
  @RequireScope('read')
  async getReconciliation(@Param('id') id: string): Promise<ReconciliationWithDifferencesResponse> {
    return await this.withDifferences(await this.reconciliations.get(id));
  }

  /** List the differences of a reconciliation, with the repair of each, in the order in which they were found. */
  @Get(':id/differences')
  @RequireScope('read')
  @ApiPage(DifferenceResponse)
  async listDifferences(
    @Param('id') id: string,
    @Query() query: DifferencesQuery,
  ): Promise<PageResponse<DifferenceResponse>> {
    const filter = { class: query.class ?? null, state: query.state ?? null };
    const after = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = { limit: query.limit, after };
    const found = await this.reconciliations.listDifferences(id, filter, page);
    return toPageResponse(found, toDifference);
  }

  /**
   * A reconciliation as a file: the sums of each currency, then every difference. CSV or NDJSON by
   * `format` or the header `Accept`. Without differences it is a report as well.
   */
  @Get(':id/report')
  @RequireScope('read')
  @ApiExtraModels(ReportLineResponse)
  @ApiOkResponse({
    description: 'Lines. CSV has a header.',
    content: {
      'application/x-ndjson': { schema: { $ref: getSchemaPath(ReportLineResponse) } },
      'text/csv': { schema: { type: 'string' } },
    },
  })
  async report(
    @Param('id') id: string,
    @Query() query: ReportQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const format = query.format ?? preferredFormat(request.headers.accept ?? '');
    const reconciliation = await this.reconciliations.get(id);
    void reply.header('content-type', CONTENT_TYPES[format]);
    return Readable.from(this.linesOf(reconciliation, format));
  }

  /** Repair one difference, in the background; one that is queued or done already stays as it is. */
  @Post(':id/differences/:difference/repair')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({
    description: 'It is for a person (`by_hand`); the detail says what to do.',
  })
  async repairDifference(
    @Param('id') id: string,
    @Param('difference') difference: string,
    @CallerKeyId() by: string,
  ): Promise<DifferenceResponse> {
    return toDifference(await this.repairs.request(id, difference, by));
  }

  /**
   * Let a difference stand, for a reason. As long as it says the same, later reconciliations report it as
   * accepted; once anything of it changes it is open again.
   */
  @Post(':id/differences/:difference/accept')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'Its repair was asked for (`already_settled`).' })
  async acceptDifference(
    @Param('id') id: string,
    @Param('difference') difference: string,
    @Body() { reason }: AcceptDifferenceDto,
    @CallerKeyId() by: string,
  ): Promise<DifferenceResponse> {
    return toDifference(await this.accepting.accept(id, difference, { by, reason }));
  }

  /** Take an acceptance back: the difference is open, and later reconciliations report it again. */
  @Post(':id/differences/:difference/reopen')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  async reopenDifference(
    @Param('id') id: string,
    @Param('difference') difference: string,
  ): Promise<DifferenceResponse> {
    return toDifference(await this.accepting.reopen(id, difference));
  }

  /** Repair all differences of a reconciliation that need no person, in the background. */
  @Post(':id/repair')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  async repairAll(@Param('id') id: string, @CallerKeyId() by: string): Promise<RepairsResponse> {
    const { id: reconciliation } = await this.reconciliations.get(id);
    return { reconciliation, queued: await this.repairs.requestAll(reconciliation, by) };
  }

  /** Repair some differences, or all that need no person, in the background. Either all of them are queued or none. */
  @Post(':id/repairs')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({
    description: 'One of them is for a person (`by_hand`); the detail says what to do.',
  })
  async requestRepairs(
    @Param('id') id: string,
    @Body() { differences }: RequestRepairsDto,
    @CallerKeyId() by: string,
  ): Promise<RepairsResponse> {
    const { id: reconciliation } = await this.reconciliations.get(id);
    const queued =
      differences === 'all'
        ? await this.repairs.requestAll(reconciliation, by)
        : await this.repairs.requestSome(reconciliation, differences, by);
    return { reconciliation, queued };
  }

  private async withDifferences(
    reconciliation: Reconciliation,
  ): Promise<ReconciliationWithDifferencesResponse> {
    const { items } = await this.reconciliations.listDifferences(
      reconciliation.id,
      { class: null, state: null },
      { limit: MAX_SHOWN_DIFFERENCES, after: null },
    );
    return { ...toResponse(reconciliation), differences: items.map(toDifference) };
  }

  /** Page by page, so that a long report is never held as a whole. */
  private async *linesOf(
    reconciliation: Reconciliation,
    format: LineFormat,
  ): AsyncGenerator<string> {
    yield headOf(format) + writeLines(format, totalLines(reconciliation));
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<ReconciliationsService['listDifferences']>> =
        await this.reconciliations.listDifferences(
          reconciliation.id,
          { class: null, state: null },
          { limit: MAX_PAGE_SIZE, after },
        );
      yield writeLines(format, page.items.flatMap(differenceLines));
      after = page.nextCursor === null ? null : (page.items.at(-1)?.id ?? null);
    } while (after !== null);
  }
}

function toResponse(reconciliation: Reconciliation): ReconciliationResponse {
  return {
    id: reconciliation.id,
    from: reconciliation.window.start.toISOString(),
    to: reconciliation.window.end.toISOString(),
    night: reconciliation.night,
    state: reconciliation.state,
    error: reconciliation.error,
    totals: showTotals(reconciliation),
    invoice_count: reconciliation.invoiceCount,
    line_item_count: reconciliation.lineItemCount,
    difference_count: reconciliation.differenceCount,
    accepted_count: reconciliation.acceptedCount,
    created_at: reconciliation.createdAt.toISOString(),
    created_by: reconciliation.createdBy,
    finished_at: reconciliation.finishedAt?.toISOString() ?? null,
  };
}

function toDifference(difference: Difference): DifferenceResponse {
  return {
    id: difference.id,
    reconciliation: difference.reconciliationId,
    class: difference.class,
    line_item: difference.lineItemId,
    invoice: difference.invoiceId,
    stripe_id: difference.stripeId,
    stripe_invoice_id: difference.stripeInvoiceId,
    ours: toMoney(difference.ours),
    theirs: toMoney(difference.theirs),
    detail: difference.detail,
    repair: { kind: difference.repair, how: wordsOf(difference.repair, difference.class) },
    state: difference.state,
    requested_by: difference.requestedBy,
    requested_at: difference.requestedAt?.toISOString() ?? null,
    settled_at: difference.settledAt?.toISOString() ?? null,
    outcome: difference.outcome,
  };
}

function toMoney(money: Money | null): MoneyResponse | null {
  return (
    money && {
      amount: shown(money.amountMinor, money.currency),
      amount_minor: Number(money.amountMinor),
      currency: money.currency,
    }
  );
}
