/*
 * The order of the specs: those that take longest first, so that in the end no worker waits a minute
 * for the last one of another. Where jest remembers no times, as on a fresh machine, it begins with the
 * largest files, and the longest of all, the soak, is the smallest.
 */
const { default: Sequencer } = require('@jest/test-sequencer');

/** Begin of what took more than half a minute, the longest first. */
const LONG = [
  'e2e/soak',
  'e2e/crash',
  'e2e/import',
  'e2e/demo',
  'integration/push',
  'e2e/push-kill',
  'e2e/bench',
  'e2e/source-sequences',
  'integration/embedded-postgres',
  'e2e/embedded',
  'integration/reconciliation',
  'integration/subscription',
  'integration/usage',
];

function placeOf({ path }) {
  const place = LONG.findIndex((name) => path.replaceAll('\\', '/').includes(`/test/${name}`));
  return place === -1 ? LONG.length : place;
}

module.exports = class LongestFirst extends Sequencer {
  async sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array that is sorted here
    return (await super.sort(tests)).toSorted((left, right) => placeOf(left) - placeOf(right));
  }
};
