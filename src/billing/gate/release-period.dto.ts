import { IsStorableText } from '../../platform/http/validators.js';

const MAX_REASON_LENGTH = 1_000;

export class ReleasePeriodDto {
  /** Why it may close all the same; kept with who said so. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}

export class HoldReasonResponse {
  /** The check that does not pass, such as `conflicts`. */
  code: string;
  /** How many things are in the way; null when they are not counted. */
  count: number | null;
  /** One sentence for people. */
  detail: string;
  /** The path of the list in which it is repaired; null when it repairs itself. */
  list: string | null;
}

export class ReleaseResponse {
  at: string;
  /** The API key that it was released with. */
  by: string;
  reason: string;
}

export class HoldResponse {
  since: string;
  /** What was in the way when it was last looked at, or released. */
  reasons: HoldReasonResponse[];
  checked_at: string;
  /** When it is looked at again by itself; null once it is closed. */
  next_check_at: string | null;
  /** Null unless a person let it go. */
  released: ReleaseResponse | null;
}
