// Usage: node scripts/reference.mjs [--check] - writes docs/reference/ from the source: the command line from its parser, configuration and
// records from their schemas. With --check it writes nothing and fails where a file differs.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { runnerImport } from 'vite';
import { root } from './lib/processes.mjs';
import { commandLine, configuration, metrics } from './lib/referencePages.mjs';

const source = async (path) =>
  (await runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' })).module;

const pages = {
  'command-line': commandLine((await source('src-main/cli/program.ts')).buildProgram()),
  configuration: configuration({
    ...(await source('src-main/contract/runConfig.ts')),
    ...(await source('src-main/families/configs.ts')),
    ...(await source('src-main/contract/augmentation.ts')),
  }),
  metrics: metrics({
    ...(await source('src-main/contract/series.ts')),
    ...(await source('src-main/contract/steps.ts')),
    ...(await source('src-main/contract/run.ts')),
    ...(await source('src-main/contract/ledger.ts')),
    ...(await source('src-main/contract/events.ts')),
    ...(await source('src-main/cli/follow.ts')),
  }),
};

const folder = join(root, 'docs/reference');
const style = JSON.parse(readFileSync(join(root, '.prettierrc.json'), 'utf8'));
const checks = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const path = join(folder, `${name}.md`);
  const written = await format(text, { ...style, parser: 'markdown' });
  if (existsSync(path) && readFileSync(path, 'utf8') === written) continue;
  if (!checks) writeFileSync(path, written);
  else {
    console.error(
      `docs/reference/${name}.md differs from the source: run "node scripts/reference.mjs" and commit the file`,
    );
    process.exitCode = 1;
  }
}
