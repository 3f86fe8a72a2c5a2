import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsObject,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsPositiveDecimalText, IsStorableText } from '../../platform/http/validators.js';

const MAX_NAME_LENGTH = 100;
/** Several times as many as a plan has prices. */
const MAX_QUANTITIES = 200;

export class SupposedQuantityDto {
  /** The key of a price of usage. Either this or `meter`. */
  @ValidateIf((body: SupposedQuantityDto) => body.meter === undefined || body.price !== undefined)
  @IsStorableText(MAX_NAME_LENGTH)
  @ValidateBy({
    name: 'oneOf',
    validator: {
      validate: (value, args) =>
        value === undefined ||
        (args?.object as SupposedQuantityDto | undefined)?.meter === undefined,
      defaultMessage: () => 'and meter exclude each other',
    },
  })
  price?: string;

  /** A meter, by id or key: for all prices by it that are not named themselves. */
  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(MAX_NAME_LENGTH)
  meter?: string;

  /** Of the whole billing period, in place of what was measured. */
  @IsPositiveDecimalText()
  quantity: string;
}

export class PreviewInvoiceDto {
  /** What is not named stays as measured now. */
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_QUANTITIES)
  @IsArray()
  @Type(() => SupposedQuantityDto)
  quantities: SupposedQuantityDto[];
}

export class PreviewLineResponse {
  /** The key of the price. */
  price: string;
  kind: string;
  /** Which billing period it is for: this one, or for a fee in advance the next. */
  period_start: string;
  period_end: string;
  quantity: string | null;
  amount: string;
  amount_minor: number;
  currency: string;
  description: string;
}

/** What is billed with the period for one that is closed, since something came too late for that one. */
export class PreviewAdjustmentResponse {
  /** The line item that it corrects. */
  corrects: string;
  /** The closed period. */
  billing_period: string;
  /** How much more or less; null but for usage. */
  @ApiProperty({ type: String, nullable: true })
  quantity: string | null;
  amount: string;
  amount_minor: number;
  currency: string;
  description: string;
}

/** What the invoice of the open period would be if it closed now, as things are or as supposed. */
export class InvoicePreviewResponse {
  subscription: string;
  billing_period: string;
  customer: string;
  period_start: string;
  period_end: string;
  currency: string;
  amount: string;
  amount_minor: number;
  lines: PreviewLineResponse[];
  /** In `amount` as far as they are in the same currency. */
  adjustments: PreviewAdjustmentResponse[];
}
