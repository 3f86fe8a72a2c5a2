import { parseArgs } from 'node:util';
import { Mistake } from '../support/mistake.js';

export interface BenchOptions {
  /** Names of sections, in the order of the program; all of them unless some are asked for. */
  readonly sections: readonly string[];
  readonly isQuick: boolean;
  /** Where results go as JSON, too. */
  readonly jsonFile: string | null;
  /** Where CPU profiles of missed aims are kept; they are summed up in any case. */
  readonly profileDir: string | null;
}

/**
 * What the command line asks for.
 *
 * @param slow sections that `--quick` leaves out unless they are named
 * @throws Mistake with the usage
 */
export function readOptions(
  args: readonly string[],
  names: readonly string[],
  slow: readonly string[],
): BenchOptions {
  const usage = `Usage: npm run bench -- [--quick] [--json FILE] [--profile DIR] [SECTION…]\nSections: ${names.join(', ')}`;
  const { values, positionals } = parse(args, usage);
  const unknown = positionals.find((name) => !names.includes(name));
  if (values.help === true || unknown !== undefined) {
    throw new Mistake(
      unknown === undefined ? usage : `There is no section '${unknown}'.\n${usage}`,
    );
  }
  const isQuick = values.quick === true;
  const isWanted = (name: string): boolean =>
    positionals.length > 0 ? positionals.includes(name) : !(isQuick && slow.includes(name));
  return {
    sections: names.filter(isWanted),
    isQuick,
    jsonFile: values.json ?? null,
    profileDir: values.profile ?? null,
  };
}

interface Parsed {
  readonly values: { quick?: boolean; json?: string; profile?: string; help?: boolean };
  readonly positionals: string[];
}

function parse(args: readonly string[], usage: string): Parsed {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        json: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new Mistake(`${(error as Error).message}\n${usage}`);
  }
}
