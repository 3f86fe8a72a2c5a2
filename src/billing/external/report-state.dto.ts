import { IsIn, IsOptional, IsUrl, MaxLength } from 'class-validator';
import { IsInstantText, IsStorableText } from '../../platform/http/validators.js';
import { MAX_EXTERNAL_ID_LENGTH, REPORTED_STATES, type ReportedState } from './external-line.js';

const MAX_NUMBER_LENGTH = 100;
const MAX_URL_LENGTH = 2_000;

export class ReportStateDto {
  /** What became of the line item there. */
  @IsIn(REPORTED_STATES)
  state: ReportedState;

  /** What the platform calls the line item; takes the place of what it said before. */
  @IsOptional()
  @IsStorableText(MAX_EXTERNAL_ID_LENGTH)
  external_id?: string;

  /** By when it is to be paid: from then on the customer is past due. Without it nobody ever is. */
  @IsOptional()
  @IsInstantText()
  due_at?: string;

  /** The number of the invoice there; kept once the platform has all line items of our invoice. */
  @IsOptional()
  @IsStorableText(MAX_NUMBER_LENGTH)
  invoice_number?: string;

  /** Where that invoice can be seen; kept likewise. */
  @IsOptional()
  @IsUrl({ protocols: ['https', 'http'], require_protocol: true, require_tld: false })
  @MaxLength(MAX_URL_LENGTH)
  @IsStorableText(MAX_URL_LENGTH)
  invoice_url?: string;
}
