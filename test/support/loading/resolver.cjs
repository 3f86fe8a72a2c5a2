/* Jest's resolver for specs that need the whole program: what they import of it is a facade. */
const { existsSync } = require('node:fs');
const path = require('node:path');
const { facadeOf, root } = require('./places.cjs');

const SRC = path.join(root, 'src') + path.sep;
const TEST = path.join(root, 'test') + path.sep;

/** What a test means by a specifier, whose suffix `.js` may be gone already; null when it is no facade. */
function facadeFor(request, basedir) {
  if (!request.startsWith('.')) {
    const facade = facadeOf.package(request);
    return existsSync(facade) ? facade : null;
  }
  const file = path.resolve(basedir, request);
  return file.startsWith(SRC) ? facadeOf.source(file.slice(SRC.length)) : null;
}

module.exports = (request, options) => {
  const isOfTest = `${options.basedir}${path.sep}`.startsWith(TEST);
  const facade = isOfTest ? facadeFor(request, options.basedir) : null;
  return facade ?? options.defaultResolver(request, options);
};
