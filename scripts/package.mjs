// Usage: npm run package -- --portable [--out DIR] - makes a folder and an archive (.tar.gz) of the app with Node.js, for Linux x86-64 machines
// that have neither Node.js, npm nor Rust; into out/package/, or DIR.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makePortable, mustBePortable } from './lib/portable.mjs';
import { root, run } from './lib/processes.mjs';
import { setUp, SetupError } from './lib/setUp.mjs';

async function packagePortable(out) {
  mustBePortable();
  await setUp({ say: (line) => console.log(line) });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const name = `sdp-lab-${version}-linux-x64`;
  const work = join(out, '.packaging');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    const { glibc } = await makePortable(join(work, name));
    const archive = `${name}.tar.gz`;
    const tar = ['--owner=0', '--group=0', '--sort=name', '-czf', join(work, archive), '-C', work, name];
    const { code } = await run('tar', tar);
    if (code !== 0) throw new SetupError(`The archive ${archive} could not be made: tar ended with code ${code}.`);
    replace(join(work, name), join(out, name), join(work, 'old'));
    replace(join(work, archive), join(out, archive), join(work, 'old.tar.gz'));
    console.log(`${join(out, name)} and ${archive}: for Linux x86-64 with glibc ${glibc} or newer; start its ./sdp`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** By renaming, so that the old one stays whole until the new one is. */
function replace(made, place, aside) {
  if (existsSync(place)) renameSync(place, aside);
  renameSync(made, place);
}

try {
  const options = { portable: { type: 'boolean' }, out: { type: 'string', default: join(root, 'out/package') } };
  const { portable, out } = parseArgs({ options }).values;
  if (portable) await packagePortable(resolve(out));
  else
    console.log(
      'One package can be made: npm run package -- --portable [--out DIR], a folder and an archive for Linux x86-64.',
    );
} catch (error) {
  if (!(error instanceof SetupError) && error.code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
  console.error(error.message);
  process.exitCode = error instanceof SetupError ? 1 : 2;
}
