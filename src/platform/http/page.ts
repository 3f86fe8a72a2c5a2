import { applyDecorators, type Type as Class } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { invalidField } from '../../kernel/errors.js';
import { isStorable, IsStorableText } from './validators.js';

export const MAX_PAGE_SIZE = 200;
const DEFAULT_PAGE_SIZE = 50;
const MAX_CURSOR_LENGTH = 1_000;

/** What every list takes; lists with filters extend it. */
export class PageQuery {
  /** How many rows at most. */
  @ApiProperty({ type: 'integer', required: false })
  @IsOptional()
  @Type(() => Number)
  // Decorators are checked from the last to the first.
  @Max(MAX_PAGE_SIZE)
  @Min(1)
  @IsInt()
  limit: number = DEFAULT_PAGE_SIZE;

  /** `next_cursor` of the page before. */
  @IsOptional()
  @IsStorableText(MAX_CURSOR_LENGTH)
  cursor?: string;
}

/** One page of a list; `nextCursor` is null on the last one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/**
 * Cuts a page from rows of which one more than `limit` was asked for.
 *
 * @param position the columns that the list is ordered by, of the last row shown
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => readonly string[],
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? toCursor(position(last)) : null;
  return { items: shown.map(toItem), nextCursor };
}

/** The cursor of a position; for lists that cut their pages themselves. */
export function toCursor(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The position that a cursor stands for; null without a cursor.
 *
 * @param first what the first column looks like, when PostgreSQL reads it as more than text
 * @param field the parameter that it came in
 * @throws DomainError when the text is no cursor of `length` columns
 */
export function readCursor(
  cursor: string | undefined,
  length: number,
  first = /^/,
  field = 'cursor',
): readonly string[] | null {
  if (cursor === undefined) {
    return null;
  }
  const fault = invalidField(field, 'invalid_cursor', 'is not a next_cursor of this list');
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch (error) {
    throw Object.assign(fault, { cause: error });
  }
  const isPosition =
    Array.isArray(position) &&
    position.length === length &&
    position.every((part) => typeof part === 'string' && isStorable(part)) &&
    first.test(String(position[0]));
  if (!isPosition) {
    throw fault;
  }
  return position as string[];
}

/** The answer of a list: `{ data, next_cursor }`. */
export interface PageResponse<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}

/** Says in the documentation that a route answers pages of `item`. */
export const ApiPage = (item: Class): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiExtraModels(item),
    ApiOkResponse({
      schema: {
        type: 'object',
        required: ['data', 'next_cursor'],
        properties: {
          data: { type: 'array', items: { $ref: getSchemaPath(item) } },
          next_cursor: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        },
      },
    }),
  );

/** The page as the API shows it. */
export function toPageResponse<Item, Shown>(
  page: Page<Item>,
  toResponse: (item: Item) => Shown,
): PageResponse<Shown> {
  return { data: page.items.map(toResponse), next_cursor: page.nextCursor };
}
