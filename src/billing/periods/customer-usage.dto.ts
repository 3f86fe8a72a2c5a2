export class PricedUsageResponse {
  /** The key of the price. */
  price: string;
  kind: string;
  /** The key of the meter; null for a flat price, as are `quantity` and `unit`. */
  meter: string | null;
  /** Exact decimal. */
  quantity: string | null;
  unit: string | null;
  /** What it would bill now. */
  amount: string;
  amount_minor: number;
}

export class UnpricedUsageResponse {
  /** The key of the meter. */
  meter: string;
  /** Exact decimal. */
  quantity: string;
  unit: string;
}

export class PeriodUsageResponse {
  billing_period: string;
  subscription: string;
  /** The key of the plan. */
  plan: string;
  /** In the time zone of the subscription, as is `ends_at`. */
  starts_at: string;
  ends_at: string;
  currency: string;
  /** What the period comes to now, with the fees that were charged in advance. */
  amount: string;
  amount_minor: number;
  /** One for each price, in the plan's order. */
  prices: PricedUsageResponse[];
  /** Usage of meters that no price of the customer's plans names, over the same time. */
  unpriced: UnpricedUsageResponse[];
}

/** All of it is of one moment. */
export class CustomerUsageResponse {
  /** The key of the customer. */
  customer: string;
  /** The open period of each subscription, by their start. */
  billing_periods: PeriodUsageResponse[];
}
