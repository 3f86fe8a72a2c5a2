export class RetryResponse {
  line_item: string;
  state: string;
  /** The invoice it goes on now: another one when the one before cannot carry it any longer. */
  invoice: string;
  /** Every line item that was sent again with it. */
  line_items: string[];
}
