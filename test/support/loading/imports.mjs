/* What files of TypeScript import. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './places.cjs';

/** The paths below a directory of the project, with slashes. */
export function filesOf(directory) {
  return readdirSync(path.join(root, directory), { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file.endsWith('.ts'));
}

/** The packages that the files below a directory import, Node's own not among them, by name. */
export function importsOf(directory) {
  const names = new Set();
  for (const file of filesOf(directory)) {
    const text = readFileSync(path.join(root, directory, file), 'utf8');
    for (const [, name] of text.matchAll(/^(?:import|.*\bfrom) '([^.'][^']*)';$/gm)) {
      if (!name.startsWith('node:')) {
        names.add(name);
      }
    }
  }
  return [...names].toSorted((left, right) => left.localeCompare(right));
}
