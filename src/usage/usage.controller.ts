import { Controller, Get, Header, Param, Query } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { formatInstant, instantOf } from '../kernel/instant.js';
import { RequireScope } from '../platform/access/scope.js';
import { ReadUsageQuery, UsageResponse, type UsageRowResponse } from './read-usage.dto.js';
import { type GroupFilter } from './usage.sql.js';
import { type UsageAnswer, type UsageRequest, UsageService } from './usage.service.js';

@Controller('api/v1/meters')
export class UsageController {
  constructor(private readonly usage: UsageService) {}

  /** Exact usage of a meter: everything that was acknowledged before this request is counted. */
  @Get(':id/usage')
  @RequireScope('read')
  @ApiOkResponse({ type: UsageResponse })
  @Header('content-type', 'application/json; charset=utf-8')
  async readUsage(@Param('id') id: string, @Query() query: ReadUsageQuery): Promise<string> {
    return toJson(await this.usage.ask(toRequest(id, query)), query.group_by ?? []);
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

/** So many rows are put into words at once, and need not be kept as objects. */
const LOT = 1_000;

/** A UsageResponse as JSON. */
function toJson(answer: UsageAnswer, groupBy: readonly string[]): string {
  const lots: string[] = [];
  let lot: UsageRowResponse[] = [];
  for (const row of rowsOf(answer, groupBy)) {
    lot.push(row);
    if (lot.length === LOT) {
      lots.push(elementsOf(lot));
      lot = [];
    }
  }
  lots.push(...(lot.length === 0 ? [] : [elementsOf(lot)]));
  return `{"meter":${JSON.stringify(answer.meter.key)},"data":[${lots.join(',')}]}`;
}

const elementsOf = (rows: readonly UsageRowResponse[]): string => JSON.stringify(rows).slice(1, -1);

function* rowsOf(
  { buckets, timeZone, customers, lines }: UsageAnswer,
  groupBy: readonly string[],
): Generator<UsageRowResponse> {
  // Once for each bucket: rows of a thousand customers have the same few.
  const starts = buckets.map(({ start }) => formatInstant(start, timeZone));
  const ends = buckets.map(({ end }) => formatInstant(end, timeZone));
  const groupOf = groupsOf(groupBy);
  for (const { customerId, subject, bucket, groups, quantity } of lines) {
    yield {
      window_start: starts[bucket] ?? '',
      window_end: ends[bucket] ?? '',
      customer: customerId === null ? null : (customers.get(customerId)?.key ?? null),
      subject,
      group: groupOf(groups),
      quantity,
    };
  }
}

type Group = Readonly<Record<string, string | null>>;

/** The group of a row: each once, since tens of thousands of rows have the same few. */
function groupsOf(groupBy: readonly string[]): (groups: readonly (string | null)[]) => Group {
  const known = new Map<string | null, Group>();
  return (groups) => {
    const key = groups.length === 1 ? (groups[0] ?? null) : JSON.stringify(groups);
    const group =
      known.get(key) ??
      Object.fromEntries(groupBy.map((name, index) => [name, groups[index] ?? null]));
    known.set(key, group);
    return group;
  };
}
