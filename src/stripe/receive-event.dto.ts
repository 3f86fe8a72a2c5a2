/** An event as Stripe sends it; the whole of it is kept. */
export class StripeEventBody {
  id: string;
  type: string;
  /** When it happened, in seconds since 1970. */
  created: number;
  livemode: boolean;
  /** The object that it is about, in `object`. */
  data: Record<string, unknown>;
}

export class ReceivedResponse {
  received: boolean;
}
