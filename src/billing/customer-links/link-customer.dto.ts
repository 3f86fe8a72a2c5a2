import { applyDecorators } from '@nestjs/common';
import { IsIn, Matches, ValidateIf } from 'class-validator';
import { LINK_WAYS, type LinkWay } from './link.js';

const STRIPE_CUSTOMER = /^cus_[A-Za-z0-9]{1,64}$/;

/** Needed with `how: "id"`, and an error with any other. */
const IsIdForIdOnly = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf((body: LinkCustomerDto, value) => body.how === 'id' || value !== undefined),
    Matches(STRIPE_CUSTOMER, {
      message: 'must be the id of a Stripe customer, such as "cus_9s6XKzkNRiz8i3"',
    }),
  );

export class LinkCustomerDto {
  /**
   * `id`: the Stripe customer that `stripe_customer_id` names, if it exists and is not billed in
   * another currency. `metadata`: the one whose metadata has `meterline_customer` with our id or key.
   * `create`: a new one, unless one is found by metadata. Never by e-mail or name.
   */
  @IsIn(LINK_WAYS)
  how: LinkWay;

  /** Of the way `id`. */
  @IsIdForIdOnly()
  stripe_customer_id?: string;
}

export class CustomerLinkResponse {
  /** The key of the customer. */
  customer: string;
  /** Null until it is known at Stripe. */
  stripe_customer_id: string | null;
  /** The last link that was asked for: `pending`, `linked` or `failed`; `none` when there never was one. */
  state: string;
  /** `id`, `metadata` or `create`; null without a link. */
  how: string | null;
  /** `not_found`, `ambiguous`, `currency_mismatch`, `taken` or `rejected`; null unless it failed. */
  failure_code: string | null;
  /** What went wrong last, also while it is tried again. */
  failure: string | null;
  /** Whose customer it is at Stripe; null until linked, and when the key may not tell. */
  stripe_account_id: string | null;
  attempts: number;
  requested_at: string | null;
  updated_at: string | null;
}
