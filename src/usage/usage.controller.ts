import { Readable } from 'node:stream';
import { setImmediate as inTurn } from 'node:timers/promises';
import { Controller, Get, Header, Param, Query } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { formatInstant, instantOf } from '../kernel/instant.js';
import { type Interval } from '../kernel/interval.js';
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
  async readUsage(
    @Param('id') id: string,
    @Query() query: ReadUsageQuery,
  ): Promise<Buffer | Readable> {
    const answer = await this.usage.ask(toRequest(id, query));
    const lots = jsonOf(answer, query.group_by ?? []);
    const begun = [lots.next().value, lots.next().value].filter((lot) => lot !== undefined);
    if (begun.length === 1) {
      return Buffer.concat(begun);
    }
    return Readable.from(oneByOne(begun, lots));
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

/** So many rows are sent at once, some tens of kilobytes. */
const LOT = 300;

/** A UsageResponse as JSON, some rows at a time. */
function* jsonOf(answer: UsageAnswer, groupBy: readonly string[]): Generator<Buffer, undefined> {
  let lot = `{"meter":${JSON.stringify(answer.meter.key)},"data":[`;
  let rows = 0;
  for (const row of rowsOf(answer, groupBy)) {
    lot += rows === 0 ? row : `,${row}`;
    rows += 1;
    if (rows % LOT === 0) {
      yield Buffer.from(lot);
      lot = '';
    }
  }
  yield Buffer.from(`${lot}]}`);
}

/** Others come between: an answer of many rows takes as long to put into words as a hundred small requests. */
async function* oneByOne(
  begun: readonly Buffer[],
  rest: Iterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  yield* begun;
  for (const lot of rest) {
    yield lot;
    await inTurn();
  }
}

/**
 * Each row, a UsageRowResponse, as JSON. What tens of thousands of rows have in common, their buckets, customers and
 * groups, is put into words once, and only the quantity for each: a plain number, in which nothing has to be escaped.
 */
function* rowsOf(
  { buckets, timeZone, customers, lines }: UsageAnswer,
  groupBy: readonly string[],
): Generator<string> {
  const windows = windowsOf(buckets, timeZone);
  const groupOf = groupsOf(groupBy);
  let last: { readonly customerId: string | null; readonly subject: string | null } | null = null;
  let whose = '';
  for (const line of lines) {
    const { customerId, subject, bucket, groups, quantity } = line;
    if (last?.customerId !== customerId || last.subject !== subject) {
      const customer = customerId === null ? null : (customers.get(customerId)?.key ?? null);
      whose = membersOf({ customer, subject });
      last = line;
    }
    yield `{${windows[bucket] ?? ''},${whose},${groupOf(groups)},"quantity":"${quantity}"}`;
  }
}

/** The window of each bucket as members. Each begins where the one before it ends, which is put into words once. */
function windowsOf(buckets: readonly Interval[], timeZone: string): string[] {
  const [first] = buckets;
  let end = first === undefined ? '' : formatInstant(first.start, timeZone);
  return buckets.map((bucket) => {
    const start = end;
    end = formatInstant(bucket.end, timeZone);
    return membersOf({ window_start: start, window_end: end });
  });
}

type Members = Partial<Omit<UsageRowResponse, 'quantity'>>;

const membersOf = (members: Members): string => JSON.stringify(members).slice(1, -1);

/** The group of a row as a member: each once. */
function groupsOf(groupBy: readonly string[]): (groups: readonly (string | null)[]) => string {
  const known = new Map<string | null, string>();
  const none = membersOf({ group: {} });
  return (groups) => {
    if (groups.length === 0) {
      return none;
    }
    const key = groups.length === 1 ? (groups[0] ?? null) : JSON.stringify(groups);
    let text = known.get(key);
    if (text === undefined) {
      const values = groupBy.map((name, index) => [name, groups[index] ?? null] as const);
      text = membersOf({ group: Object.fromEntries(values) });
      known.set(key, text);
    }
    return text;
  };
}
