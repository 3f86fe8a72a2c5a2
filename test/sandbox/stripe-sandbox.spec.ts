/*
 * Aim: what is proven against the double holds against Stripe itself.
 * Method: the stories of test/integration/stripe-stories.spec.ts in Stripe's sandbox, each on a test clock of its
 * own. Needs STRIPE_TEST_KEY and the network; takes some minutes, since Stripe sums up meters late.
 */
import { startSandboxStage } from '../support/stories/sandbox-stage.js';
import { STORIES } from '../support/stories/stories.js';

describe("in Stripe's sandbox", () => {
  it.each(STORIES)('%s is right', async (_, story) => {
    const stage = await startSandboxStage(process.env['STRIPE_TEST_KEY'] ?? '');
    try {
      await story(stage);
    } finally {
      await stage.close();
    }
  });
});
