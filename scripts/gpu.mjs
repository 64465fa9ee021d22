// Usage: npm run gpu -- pack DIR [--no-provider] [--part-size MIB] - makes the kit that measures the app on another machine's NVIDIA card.
//        npm run gpu -- run ARGUMENTS                              - measures here; --help lists the arguments.

import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { packKit } from './lib/kit.mjs';
import { mustBePortable } from './lib/portable.mjs';
import { root } from './lib/processes.mjs';
import { setUp, SetupError } from './lib/setUp.mjs';

const usage = 'Usage: npm run gpu -- pack DIR [--no-provider] [--part-size MIB], or npm run gpu -- run ARGUMENTS';
/** Below what the machines that were used take at once. */
const defaultPartMib = 55;

class UsageError extends Error {}

const commands = {
  async pack(args) {
    const options = {
      'no-provider': { type: 'boolean' },
      'part-size': { type: 'string', default: String(defaultPartMib) },
    };
    const { values, positionals } = parse(args, options);
    const mib = Number(values['part-size']);
    if (positionals.length !== 1) throw new UsageError(`pack needs one folder, got ${positionals.length}. ${usage}`);
    if (!(mib >= 1)) throw new UsageError(`--part-size must be a number of MiB from 1, got "${values['part-size']}".`);
    mustBePortable();
    const say = (line) => console.log(line);
    await setUp({ say });
    const out = resolve(positionals[0]);
    const { parts, appBytes, providerBytes } = await packKit(out, {
      provider: !values['no-provider'],
      partBytes: Math.floor(mib * 2 ** 20),
      say,
    });
    const sizes = `app ${megabytes(appBytes)}, CUDA provider ${megabytes(providerBytes)}`;
    console.log(`${out}: gpu.sh, manifest and ${parts.length} parts (${sizes}). There: bash gpu.sh run`);
  },

  async run(args) {
    await setUp({ say: (line) => console.error(line) });
    const program = join(root, 'out/main/gpu.js');
    process.argv.splice(1, Infinity, program, 'run', ...args);
    await import(pathToFileURL(program).href);
  },
};

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error.message} ${usage}`);
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

try {
  const [name, ...args] = process.argv.slice(2);
  if (!Object.hasOwn(commands, name ?? '')) throw new UsageError(usage);
  await commands[name](args);
} catch (error) {
  if (!(error instanceof SetupError || error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof SetupError ? 1 : 2;
}
