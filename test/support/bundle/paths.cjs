/* Where the bundles of the tests are; CommonJS, since jest's resolver must be. */
const path = require('node:path');

const root = path.resolve(__dirname, '../../..');
const bundle = path.join(root, '.meterline-test/bundle');

module.exports = {
  root,
  bundle,
  /** One module for each package that the program imports. */
  packages: path.join(bundle, 'packages'),
  fileOf: (name) => `${name.replaceAll('/', '+').replace(/\.js$/, '')}.js`,
  /** One module for each file of `src`, at the same place. */
  modules: path.join(bundle, 'modules'),
  /** As deep in `bundle` as `dist/src/platform/database` is in `dist`: migrations are found from there. */
  service: path.join(bundle, 'service/as/built'),
  migrations: path.join(bundle, 'migrations'),
};
