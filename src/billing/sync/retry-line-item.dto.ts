export class RetryResponse {
  line_item: string;
  state: string;
  /**
   * The invoice it goes on now: another one when the one before cannot carry it any longer. Null while it
   * waits for the next draft of its Stripe subscription.
   */
  invoice: string | null;
  /** Every line item that was sent again with it. */
  line_items: string[];
}
