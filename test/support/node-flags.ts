import { readFileSync } from 'node:fs';

/** The flags of Node in `npm start`: whatever starts the built service takes them from there. */
export const NODE_FLAGS: readonly string[] = flagsOf(startScript());

function startScript(): string {
  const file = new URL('../../package.json', import.meta.url);
  const { scripts } = JSON.parse(readFileSync(file, 'utf8')) as { scripts: { start: string } };
  return scripts.start;
}

function flagsOf(script: string): string[] {
  const flags = script.split(' ').filter((word) => word.startsWith('--'));
  if (flags.length === 0) {
    throw new Error(`npm start has no flags: ${script}`);
  }
  return flags;
}
