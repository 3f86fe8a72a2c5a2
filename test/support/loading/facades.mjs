/*
 * For each file of the program, and each package that it imports, a file that hands on what Node has
 * loaded of it once for all specs of a worker (environment.mjs). Jest's resolver puts these in the
 * place of what a test imports (resolver.cjs).
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { filesOf, importsOf } from './imports.mjs';
import { facadeOf, root } from './places.cjs';

/** They start something when they are loaded. */
const PROGRAMS = ['main.ts', 'cli.ts', 'migrate.ts'];
/** One must get the same Nest as the program; the other one has three hundred files. */
const TEST_PACKAGES = ['@nestjs/testing', 'fast-check'];

/** @throws Error when a file of the program has changed since it was built, since its old self would be tested */
export async function writeFacades() {
  for (const file of filesOf('src')) {
    if (!PROGRAMS.includes(file)) {
      await write(facadeOf.source(file), pathToFileURL(builtOf(file)).href);
    }
  }
  for (const name of [...importsOf('src'), ...TEST_PACKAGES]) {
    await write(facadeOf.package(name), name);
  }
}

function builtOf(source) {
  const built = path.join(root, 'dist/src', source.replace(/ts$/, 'js'));
  const changedMs = statSync(path.join(root, 'src', source)).mtimeMs;
  const builtMs = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (builtMs < changedMs) {
    throw new Error(`src/${source} has changed since it was built; npm run build`);
  }
  return built;
}

async function write(facade, specifier) {
  const names = Object.keys(await import(specifier)).filter((name) => /^[\w$]+$/.test(name));
  const named = names.filter((name) => name !== 'default');
  const lines = [
    `const it = await importOnce('${specifier}');`,
    ...(named.length > 0 ? [`export const { ${named.join(', ')} } = it;`] : []),
    ...(names.includes('default') ? ['export default it.default;'] : []),
  ];
  const text = `${lines.join('\n')}\n`;
  // Another run may be reading it.
  if (!existsSync(facade) || readFileSync(facade, 'utf8') !== text) {
    await fs.mkdir(path.dirname(facade), { recursive: true });
    await fs.writeFile(facade, text);
  }
}
