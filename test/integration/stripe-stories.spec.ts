/*
 * Aim: the stories that are told to Stripe's sandbox when a key is given (`npm run test:sandbox`) hold.
 * Method: the same functions on the same stage, with the double in Stripe's place; and what keeps a live key
 * away from them.
 */
import { keyFault } from '../support/stories/sandbox-key.js';
import { startSandboxStage } from '../support/stories/sandbox-stage.js';
import { startStripeDouble } from '../support/stripe-double/stripe-double.js';
import { STORIES } from '../support/stories/stories.js';

describe('on a stage with the double behind it', () => {
  it.each(STORIES)('%s is right', async (_, story) => {
    const double = await startStripeDouble();
    const at = { apiBase: new URL(double.url), start: '2026-11-17T10:20:30Z' };
    const stage = await startSandboxStage('sk_test_of_the_stage', at);
    try {
      await story(stage);
    } finally {
      await stage.close();
      await double.close();
    }
  });
});

describe('the sandbox', () => {
  it.each([undefined, '', 'sk_live_1', 'rk_live_1', 'pk_test_1', 'nonsense'])(
    'is not entered with the key %p',
    async (key) => {
      expect(keyFault(key)).toContain('STRIPE_TEST_KEY');
      await expect(startSandboxStage(key ?? '')).rejects.toThrow('STRIPE_TEST_KEY');
    },
  );

  it('is entered with the key of one', () => {
    expect(keyFault('sk_test_1')).toBeNull();
    expect(keyFault('rk_test_1')).toBeNull();
  });
});
