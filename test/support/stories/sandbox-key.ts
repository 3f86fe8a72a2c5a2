/** What keeps a key from being used for the stories; null when it may be. */
export function keyFault(key: string | undefined): string | null {
  if (key === undefined || key === '') {
    return 'STRIPE_TEST_KEY is not set: STRIPE_TEST_KEY=sk_test_… npm run test:sandbox';
  }
  return /^(sk|rk)_test_\w+$/.test(key)
    ? null
    : 'STRIPE_TEST_KEY is not the key of a sandbox (sk_test_…). The stories make customers and invoices: never in a live account.';
}
