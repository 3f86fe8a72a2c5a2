import { keyFault } from '../support/stories/sandbox-key.js';

/** Before anything is built or started: says what is missing, and ends with 1. */
const fault = keyFault(process.env['STRIPE_TEST_KEY']);
if (fault !== null) {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}
