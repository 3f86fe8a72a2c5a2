/** What may have to be in order before a billing period closes; docs/closing.md says what each looks at. */
export const CLOSING_CHECKS = [
  'usage_level',
  'source_gaps',
  'conflicts',
  'quarantined_values',
  'stripe_reachable',
  'webhook_endpoint_enabled',
] as const;

export type ClosingCheck = (typeof CLOSING_CHECKS)[number];
