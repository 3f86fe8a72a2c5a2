/*
 * Aim: the direction of dependencies and the homes of what is dangerous everywhere else.
 * Method: every import of every file of src is held against the table; folders may yet have to come.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

/** What each folder may import besides itself. The drawing in src/README.md says the same. */
const TABLE: Readonly<Record<string, readonly string[]>> = (() => {
  const ground = ['kernel', 'platform'];
  const below = {
    customers: ground,
    meters: ground,
    events: ground,
    webhooks: ground,
    stripe: ground,
    usage: [...ground, 'events', 'meters', 'customers', 'webhooks'],
    pricing: [...ground, 'meters'],
    sources: [...ground, 'events', 'webhooks'],
    thresholds: [...ground, 'usage', 'pricing', 'customers', 'meters', 'webhooks'],
    billing: [
      ...ground,
      ...['thresholds', 'usage', 'pricing', 'customers', 'meters', 'webhooks', 'stripe'],
      ...['events', 'sources'],
    ],
  };
  const features = [...ground, ...Object.keys(below)];
  return {
    kernel: [],
    platform: ['kernel'],
    ...below,
    import: [...ground, 'events', 'sources'],
    dashboard: features,
    '': [...features, 'dashboard', 'import'],
  };
})();

const PRIVATE_KIND = /\.(?:store|entity|controller|dto|sql|worker|client)\.js$/;

/** Words that only these files may hold, and what to do instead. */
const HOMES: readonly (readonly [what: string, word: RegExp, home: RegExp])[] = [
  [
    'SQL',
    /[`'"]\s*(?:WITH\s+\w+\s+AS|SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(?:TABLE|INDEX|DATABASE)|ALTER\s+TABLE|COPY\s+\w+\s*\(|LOCK\s+TABLE|BEGIN;)/,
    /(?:\.store|\.sql)\.ts$|^platform\/database\/|^usage\/meter-sql\.ts$|^events\/partitions\.ts$/,
  ],
  ['the wall clock', /new Date\(\)|\bDate\.now\b|\bDate\(\)/, /^platform\/system-clock\.ts$/],
  [
    'the environment',
    /\bprocess\.env\b|\bprocess\[['"]env/,
    /^platform\/config\.ts$|^(?:main|migrate|cli)\.ts$/,
  ],
  [
    'fetch',
    /(?<![.\w])fetch\(|globalThis\.fetch/,
    /^platform\/outbound\/|^(?:webhooks|import)\/[\w-]+\.client\.ts$/,
  ],
];

/** npm packages that only these files may import. */
const PACKAGE_HOMES: readonly (readonly [name: RegExp, home: RegExp])[] = [
  [/^stripe(?:\/|$)/, /^stripe\//],
  [
    /^(?:undici|axios|got|node-fetch|(?:node:)?https?2?)(?:\/|$)/,
    /^platform\/outbound\/|^webhooks\/[\w-]+\.client\.ts$/,
  ],
  [
    /^(?:pg|pg-copy-streams)$/,
    /(?:\.store|\.sql)\.ts$|^platform\/database\/|^events\/partitions\.ts$/,
  ],
  [/^typeorm$/, /(?:\.store|\.entity)\.ts$|^platform\//],
];

interface SourceFile {
  /** Path below src. */
  readonly name: string;
  readonly folder: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

function read(name: string): SourceFile {
  const text = readFileSync(path.join(SRC, name), 'utf8');
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return {
    name,
    folder: folderOf(name),
    code: withoutComments(text),
    imports: importedFiles.map(({ fileName }) => fileName),
  };
}

function folderOf(name: string): string {
  return name.includes('/') ? (name.split('/')[0] ?? '') : '';
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.');
const aimOf = (file: SourceFile, specifier: string): string =>
  path.posix.normalize(path.posix.join(path.posix.dirname(file.name), specifier));

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((name) => name.split(path.sep).join('/'))
  .filter((name) => name.endsWith('.ts'))
  .map(read);

function breaches(check: (file: SourceFile, specifier: string) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((specifier) => !check(file, specifier))
      .map((specifier) => `${file.name} imports ${specifier}`),
  );
}

describe('src', () => {
  it('has no folder that the table does not name, and none deeper than three levels', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(
      [...new Set(files.map(({ folder }) => folder))].filter((name) => !(name in TABLE)),
    ).toEqual([]);
    expect(files.filter(({ name }) => name.split('/').length > 4)).toEqual([]);
  });

  it('imports downwards only', () => {
    expect(
      breaches((file, specifier) => {
        const aim = isRelative(specifier) ? folderOf(aimOf(file, specifier)) : file.folder;
        return aim === file.folder || (TABLE[file.folder] ?? []).includes(aim);
      }),
    ).toEqual([]);
  });

  it('never leaves itself', () => {
    expect(
      breaches(
        (file, specifier) => !isRelative(specifier) || !aimOf(file, specifier).startsWith('..'),
      ),
    ).toEqual([]);
  });

  it('keeps the kernel free of frameworks and of input and output', () => {
    expect(
      breaches(
        ({ folder }, specifier) =>
          folder !== 'kernel' ||
          (isRelative(specifier)
            ? !specifier.includes('/../')
            : !/^(?:node:|@nestjs|pg|typeorm)/.test(specifier)),
      ),
    ).toEqual([]);
  });

  it('keeps private kinds of file private to their feature', () => {
    expect(
      breaches((file, specifier) => {
        const isPrivate = isRelative(specifier) && PRIVATE_KIND.test(specifier);
        return !isPrivate || folderOf(aimOf(file, specifier)) === file.folder;
      }),
    ).toEqual([]);
  });

  it('has no barrel', () => {
    expect(files.filter(({ name }) => path.posix.basename(name) === 'index.ts')).toEqual([]);
  });

  it.each(HOMES)('keeps %s in its home', (_, word, home) => {
    const strangers = files.filter(({ name, code }) => !home.test(name) && word.test(code));
    expect(strangers.map(({ name }) => name)).toEqual([]);
  });

  it.each(PACKAGE_HOMES)('keeps the package %p in its home', (name, home) => {
    expect(breaches((file, specifier) => !name.test(specifier) || home.test(file.name))).toEqual(
      [],
    );
  });
});

describe('the table', () => {
  it('has no cycle', () => {
    const order: string[] = [];
    const visit = (folder: string, above: readonly string[]): void => {
      expect(above).not.toContain(folder);
      (TABLE[folder] ?? []).forEach((next) => {
        visit(next, [...above, folder]);
      });
      order.push(folder);
    };
    visit('', []);
    expect(order.at(-1)).toBe('');
  });
});
