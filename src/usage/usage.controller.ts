import { Controller, Get, Param, Query } from '@nestjs/common';
import { formatDecimal } from '../kernel/decimal.js';
import { formatInstant, instantOf } from '../kernel/instant.js';
import { RequireScope } from '../platform/access/scope.js';
import { ReadUsageQuery, UsageResponse } from './read-usage.dto.js';
import { type GroupFilter } from './usage.sql.js';
import { type UsageAnswer, type UsageRequest, UsageService } from './usage.service.js';
import { type UsageRow } from './usage.store.js';

@Controller('api/v1/meters')
export class UsageController {
  constructor(private readonly usage: UsageService) {}

  /** Exact usage of a meter: everything that was acknowledged before this request is counted. */
  @Get(':id/usage')
  @RequireScope('read')
  async readUsage(@Param('id') id: string, @Query() query: ReadUsageQuery): Promise<UsageResponse> {
    return toResponse(await this.usage.ask(toRequest(id, query)), query.group_by ?? []);
  }
}

function toRequest(meter: string, query: ReadUsageQuery): UsageRequest {
  return {
    meter,
    customer: query.customer ?? null,
    subject: query.subject ?? null,
    from: instantOf(query.from),
    to: instantOf(query.to),
    window: query.window ?? null,
    timeZone: query.time_zone ?? null,
    groupBy: query.group_by ?? [],
    groupFilter: toGroupFilter(query),
    by: query.by ?? null,
  };
}

/** What is missing is one more value that a group may have. */
function toGroupFilter({ filter = {}, missing = [] }: ReadUsageQuery): GroupFilter {
  const keys = [...new Set([...Object.keys(filter), ...missing])];
  return Object.fromEntries(
    keys.map((key) => [
      key,
      [...[filter[key] ?? []].flat(), ...(missing.includes(key) ? [null] : [])],
    ]),
  );
}

function toResponse(answer: UsageAnswer, groupBy: readonly string[]): UsageResponse {
  const { meter, buckets, timeZone, customers } = answer;
  // Once for each bucket: rows of a thousand customers have the same few.
  const starts = buckets.map(({ start }) => formatInstant(start, timeZone));
  const ends = buckets.map(({ end }) => formatInstant(end, timeZone));
  const groupOf = groupsOf(groupBy);
  return {
    meter: meter.key,
    data: answer.rows.map((row) => ({
      window_start: starts[row.bucket] ?? '',
      window_end: ends[row.bucket] ?? '',
      customer: row.customerId === null ? null : (customers.get(row.customerId)?.key ?? null),
      subject: row.subject,
      group: groupOf(row),
      quantity: formatDecimal(row.quantity),
    })),
  };
}

type Group = Readonly<Record<string, string | null>>;

/** The group of a row: each once, since tens of thousands of rows have the same few. */
function groupsOf(groupBy: readonly string[]): (row: UsageRow) => Group {
  const known = new Map<string | null, Group>();
  return ({ groups }) => {
    const key = groups.length === 1 ? (groups[0] ?? null) : JSON.stringify(groups);
    const group =
      known.get(key) ??
      Object.fromEntries(groupBy.map((name, index) => [name, groups[index] ?? null]));
    known.set(key, group);
    return group;
  };
}
