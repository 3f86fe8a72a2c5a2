import { IsStorableText } from '../platform/http/validators.js';

export const MAX_REASON_LENGTH = 500;
const MAX_NAME_LENGTH = 256;

export class VoidEventDto {
  @IsStorableText(MAX_NAME_LENGTH)
  source: string;

  @IsStorableText(MAX_NAME_LENGTH)
  id: string;

  /** Why it must not count; shown with the event. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}

export class VoidedEventResponse {
  source: string;
  id: string;
  /** When it was voided first. */
  voided_at: string;
  void_reason: string;
  /** The API key that voided it. */
  voided_by: string;
}
