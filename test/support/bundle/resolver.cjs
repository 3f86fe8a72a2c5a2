/*
 * Jest's resolver for specs that need the whole program: they import files of `src`, and get them from
 * the bundle that build.mjs makes of these very files. With METERLINE_TEST_PLAIN=1 they get the files
 * themselves, one by one, which takes seconds more and shows their lines in a debugger.
 */
const { existsSync } = require('node:fs');
const path = require('node:path');
const { fileOf, root } = require('./paths.cjs');

const SRC = path.join(root, 'src') + path.sep;
const TEST = path.join(root, 'test') + path.sep;
const isPlain = process.env.METERLINE_TEST_PLAIN === '1';
/** Known once the run has been set up, before any spec. */
const packages = () => process.env.METERLINE_TEST_PACKAGES;
const modules = () => process.env.METERLINE_TEST_MODULES;

/** What a test means by a specifier, whose suffix `.js` may be gone already; null when it is in no bundle. */
function placeOf(request, basedir) {
  if (!request.startsWith('.')) {
    const place = path.join(packages(), fileOf(request));
    return existsSync(place) ? place : null;
  }
  const file = path.resolve(basedir, request.replace(/\.js$/, ''));
  return file.startsWith(SRC) ? path.join(modules(), `${file.slice(SRC.length)}.js`) : null;
}

module.exports = (request, options) => {
  if (!isPlain && modules() !== undefined && `${options.basedir}${path.sep}`.startsWith(TEST)) {
    const place = placeOf(request, options.basedir);
    if (place !== null) {
      return place;
    }
  }
  return options.defaultResolver(request, options);
};
