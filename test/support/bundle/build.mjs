/*
 * The program in few files, for tests. Node takes 2 s of CPU to load the service from some two
 * thousand files, and jest 4 s for each spec that needs all of it; from these bundles it takes less
 * than half. Three layers: packages, which change with package-lock.json only; the files of `src` on
 * top of them, for specs; and the built service, for those that start it as a process.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import paths from './paths.cjs';

const { root, bundles, fileOf } = paths;

/** What tests import, and must get the same of as the program. */
const TEST_PACKAGES = ['@nestjs/testing'];
/** They start something when they are loaded. */
const PROGRAMS = ['main.ts', 'cli.ts', 'migrate.ts'];
/** What packages would load if it were installed. */
const ABSENT = [
  '@fastify/multipart',
  '@fastify/view',
  '@google-cloud/spanner',
  '@nestjs/microservices',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  '@sap/hana-client',
  'better-sqlite3',
  'expo-sqlite',
  'hdb-pool',
  'ioredis',
  'mongodb',
  'mssql',
  'mysql',
  'mysql2',
  'oracledb',
  'pg-cloudflare',
  'pg-native',
  'pg-query-stream',
  'point-of-view',
  'react-native-sqlite-storage',
  'redis',
  'sql.js',
  'sqlite3',
  'typeorm-aurora-data-api-driver',
];
/** One finds its files beside itself; the other one must have run before anything else of a bundle does. */
const IN_PLACE = ['swagger-ui-dist', 'reflect-metadata'];

const COMMON = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'error',
  // Names of classes are names of providers to Nest.
  keepNames: true,
  // The swagger plugin of `nest build` writes some keys twice.
  logOverride: { 'duplicate-object-key': 'silent' },
};

/** Packages in CommonJS expect these. Of chunks of a bundle the order is not that of the imports. */
const COMMONJS = `
import 'reflect-metadata';
import { createRequire as createRequireHere } from 'node:module';
import { dirname as directoryOfPath } from 'node:path';
import { fileURLToPath as pathOfUrl } from 'node:url';
const require = createRequireHere(import.meta.url);
const __filename = pathOfUrl(import.meta.url);
const __dirname = directoryOfPath(__filename);`;

/** No run takes as long. */
const STALE_MS = 6 * 3_600_000;
/** As deep in its bundle as `dist/src/platform/database` is in `dist`: migrations are found from there. */
const SERVICE = 'as/in/dist';

/**
 * Makes what has changed since the last time, beside what other runs may still use.
 *
 * @returns the directories of the packages, of the files of `src` at their places, and of the programs
 */
export async function buildBundles() {
  const sources = readdirSync(path.join(root, 'src'), { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file.endsWith('.ts'));
  const names = packagesOf(sources);
  const ofPackages = digest(
    readFileSync(path.join(root, 'package-lock.json')),
    readFileSync(new URL(import.meta.url)),
    [process.version, ...names].join(),
  );
  const packages = await make('packages', ofPackages, async (place) => {
    await bundlePackages(names, place);
  });
  const built = ['dist/src/main.js', 'dist/src/cli.js'].map(stateOf);
  const service = await make('service', digest(ofPackages, ...built), async (place) => {
    await bundleService(packages, place);
  });
  const modulesOf = sources.filter((file) => !PROGRAMS.includes(file));
  const states = modulesOf.flatMap((file) => [stateOf(`src/${file}`), stateOf(builtOf(file))]);
  const modules = await make('modules', digest(ofPackages, ...states), async (place) => {
    await bundleModules(modulesOf, packages, place);
  });
  return { packages, modules, service: path.join(service, SERVICE) };
}

/** The directory of a bundle; it is there as a whole or not at all. */
async function make(kind, from, fill) {
  const place = path.join(bundles, `${kind}-${from.slice(0, 16)}`);
  if (existsSync(place)) {
    await fs.utimes(place, new Date(), new Date());
    return place;
  }
  for (const name of existsSync(bundles) ? readdirSync(bundles) : []) {
    const old = path.join(bundles, name);
    if (name.startsWith(kind) && Date.now() - statSync(old).mtimeMs > STALE_MS) {
      await fs.rm(old, { recursive: true, force: true });
    }
  }
  const fresh = `${place}-${process.pid}`;
  await fill(fresh);
  // Another run may have been sooner.
  await fs.rename(fresh, place).catch(async (error) => {
    await fs.rm(fresh, { recursive: true, force: true });
    if (!existsSync(place)) {
      throw error;
    }
  });
  return place;
}

function digest(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part).update('\0');
  }
  return hash.digest('hex');
}

/** Changes with the file. */
function stateOf(file) {
  const found = statSync(path.join(root, file), { throwIfNoEntry: false });
  return `${file} ${found?.mtimeMs} ${found?.size}`;
}

function builtOf(source) {
  return `dist/src/${source.replace(/ts$/, 'js')}`;
}

async function bundlePackages(names, place) {
  const entries = path.join(place, 'entries');
  for (const name of names) {
    const exports = Object.keys(await import(name)).filter((key) => /^[\w$]+$/.test(key));
    const text = `export { ${exports.join(', ')} } from '${name}';\n`;
    await write(path.join(entries, fileOf(name)), text);
  }
  await build({
    ...COMMON,
    entryPoints: names.map((name) => path.join(entries, fileOf(name))),
    outdir: place,
    splitting: true,
    banner: { js: COMMONJS },
    external: [...IN_PLACE, ...ABSENT.flatMap((name) => [name, `${name}/*`])],
    plugins: [dynamicImports(names)],
  });
}

/** What Nest loads when it first needs it: with all its names, which a chunk of CommonJS has not. */
const dynamicImports = (names) => ({
  name: 'dynamic-imports',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path: name, kind }) =>
      kind === 'dynamic-import' && names.includes(name)
        ? { path: `./${fileOf(name)}`, external: true }
        : null,
    );
  },
});

function packagesOf(sources) {
  const names = new Set(TEST_PACKAGES);
  for (const file of sources) {
    const text = readFileSync(path.join(root, 'src', file), 'utf8');
    for (const [, name] of text.matchAll(/^(?:import|.*\bfrom) '([^.'][^']*)';$/gm)) {
      if (!name.startsWith('node:') && !IN_PLACE.includes(name)) {
        names.add(name);
      }
    }
  }
  return [...names].toSorted();
}

async function bundleModules(sources, packages, directory) {
  const all = path.join(directory, 'all.js');
  const exports = await exportsOf(sources);
  await build({
    ...COMMON,
    stdin: {
      contents: sources
        .map((file, index) => `export * as m${index} from './src/${file.replace(/ts$/, 'js')}';`)
        .join('\n'),
      resolveDir: root,
    },
    outfile: all,
    sourcemap: 'linked',
    plugins: [compiledSources, bundledPackages(packages)],
  });
  await Promise.all(
    sources.map(async (file, index) => {
      const place = path.join(directory, file.replace(/ts$/, 'js'));
      const from = path.relative(path.dirname(place), all).split(path.sep).join('/');
      const text = `import { m${index} } from './${from}';\nexport const { ${exports[index].join(', ')} } = m${index};\n`;
      await write(place, text);
    }),
  );
}

/** The names that each of these files exports, types not among them. */
async function exportsOf(sources) {
  const { metafile } = await build({
    entryPoints: sources.map((file) => path.join(root, 'src', file)),
    absWorkingDir: root,
    outbase: root,
    outdir: bundles,
    format: 'esm',
    logLevel: 'error',
    metafile: true,
    write: false,
  });
  const names = new Map(
    Object.values(metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]),
  );
  return sources.map((file) => names.get(`src/${file}`));
}

/** The files of `src`, from `dist` where that is newer: esbuild itself writes no metadata of decorators. */
const compiledSources = {
  name: 'compiled-sources',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path: file }) => {
      const built = path.join(root, 'dist', path.relative(root, file).replace(/ts$/, 'js'));
      const isBuilt = existsSync(built) && statSync(built).mtimeMs > statSync(file).mtimeMs;
      return {
        contents: isBuilt ? await fs.readFile(built, 'utf8') : await transpile(file),
        loader: 'js',
      };
    });
  },
};

async function transpile(file) {
  const { default: ts } = await import('typescript');
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile);
  const { compilerOptions } = config;
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...compilerOptions, module: 'esnext', moduleResolution: 'bundler', sourceMap: false },
    root,
  );
  const text = await fs.readFile(file, 'utf8');
  return ts.transpileModule(text, { fileName: file, compilerOptions: options }).outputText;
}

const bundledPackages = (packages) => ({
  name: 'bundled-packages',
  setup({ onResolve, initialOptions }) {
    const { outfile, outdir = path.dirname(outfile) } = initialOptions;
    onResolve({ filter: /^[^./]/ }, ({ path: name }) => {
      const place = path.join(packages, fileOf(name));
      return existsSync(place)
        ? { path: path.relative(outdir, place).split(path.sep).join('/'), external: true }
        : { path: name, external: true };
    });
  },
});

async function bundleService(packages, place) {
  for (const name of ['cli', 'main']) {
    await build({
      ...COMMON,
      entryPoints: [path.join(root, `dist/src/${name}.js`)],
      outfile: path.join(place, SERVICE, `${name}.js`),
      plugins: [bundledPackages(packages)],
    });
  }
  await build({
    ...COMMON,
    entryPoints: [path.join(root, 'dist/migrations/*.js')],
    outdir: path.join(place, 'migrations'),
    plugins: [bundledPackages(packages)],
  });
}

async function write(file, text) {
  await fs.mkdir(path.dirname(file), { recursive: true });
  await fs.writeFile(file, text);
}
