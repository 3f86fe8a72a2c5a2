/* Where the bundles of the tests are; CommonJS, since jest's resolver must be. */
const path = require('node:path');

const root = path.resolve(__dirname, '../../..');

module.exports = {
  root,
  bundles: path.join(root, '.meterline-test/bundles'),
  /** The module of a package, in the directory of packages. */
  fileOf: (name) => `${name.replaceAll('/', '+').replace(/\.js$/, '')}.js`,
};
