import { Matches } from 'class-validator';
import { IsStorableText } from '../../platform/http/validators.js';

const MAX_NAME_LENGTH = 100;

export class LinkStripeMeterDto {
  /** Id or key of the meter here. */
  @IsStorableText(MAX_NAME_LENGTH)
  meter: string;

  /** The `event_name` of the meter at Stripe; it must be active then, and sum up its values. */
  @Matches(/^[\x21-\x7e]{1,100}$/, {
    message: 'must be 1 to 100 visible ASCII characters, such as "api_requests"',
  })
  event_name: string;
}

export class StripeMeterResponse {
  /** The key of the meter here. */
  meter: string;
  event_name: string;
  /** `pending` until it was looked for at Stripe, which is when the first usage is sent; then `found` or `failed`. */
  state: string;
  stripe_meter_id: string | null;
  stripe_account_id: string | null;
  /** Why usage cannot be sent to it; null unless `failed`. */
  failure: string | null;
  created_at: string;
}

export class StripeMetersResponse {
  data: StripeMeterResponse[];
}
