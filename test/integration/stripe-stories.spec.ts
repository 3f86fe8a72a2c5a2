/*
 * Aim: the stories that are told to Stripe's sandbox when a key is given (`npm run test:sandbox`) hold.
 * Method: the same functions, with the double in Stripe's place; and what keeps a live key away from them.
 */
import { startDoubleStage } from '../support/stories/double-stage.js';
import { keyFault } from '../support/stories/sandbox-key.js';
import { startSandboxStage } from '../support/stories/sandbox-stage.js';
import { type Stage } from '../support/stories/stage.js';
import { STORIES } from '../support/stories/stories.js';

describe('on a stage with the double', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startDoubleStage();
  });

  afterAll(async () => {
    await stage.close();
  });

  it.each(STORIES)('%s is right', async (_, story) => {
    await story(stage);
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
