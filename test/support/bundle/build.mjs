/*
 * The built service in few files, for specs that start it as a process. Node takes 2 s of CPU to load
 * it from some two thousand files; from these bundles it takes less than half. Two layers: packages,
 * which change with package-lock.json only, and the service on top of them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { importsOf } from '../loading/imports.mjs';
import { root } from '../loading/places.cjs';

const BUNDLES = path.join(root, '.meterline-test/bundles');
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
 * @returns the directory of the programs
 */
export async function bundleService() {
  const names = importsOf('src').filter((name) => !IN_PLACE.includes(name));
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
    await bundlePrograms(packages, place);
  });
  return path.join(service, SERVICE);
}

/** The directory of a bundle; it is there as a whole or not at all. */
async function make(kind, from, fill) {
  const place = path.join(BUNDLES, `${kind}-${from.slice(0, 16)}`);
  if (existsSync(place)) {
    await fs.utimes(place, new Date(), new Date());
    return place;
  }
  for (const name of existsSync(BUNDLES) ? readdirSync(BUNDLES) : []) {
    const old = path.join(BUNDLES, name);
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

/** The module of a package, in the directory of packages. */
const fileOf = (name) => `${name.replaceAll('/', '+').replace(/\.js$/, '')}.js`;

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

async function bundlePrograms(packages, place) {
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
