/* Where the facades are; CommonJS, since jest's resolver must be. */
const path = require('node:path');

const root = path.resolve(__dirname, '../../..');
const facades = path.join(root, '.meterline-test/facades');

const facadeOf = {
  /** Of a file by its path in `src`, with either suffix or without. */
  source: (file) => path.join(facades, 'src', `${file.replace(/\.[jt]s$/, '')}.js`),
  package: (name) => path.join(facades, 'packages', `${name.replaceAll('/', '+')}.js`),
};

module.exports = { root, facadeOf };
