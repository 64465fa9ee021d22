// Usage: node scripts/start.mjs [--demo] [--headless] [--port P] - sets up what is missing, then opens the app.
//
// In Electron where there is a display and its binary is or can be fetched, else as a page on loopback. `--demo` starts the sample run;
// `--demo --headless` does it in the terminal; `--headless` alone is the page without looking for Electron.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { electronBinary, hasDisplay, runElectron } from './lib/electron.mjs';
import { root } from './lib/processes.mjs';
import { setUp, SetupError } from './lib/setUp.mjs';

const usage = 'Usage: npm start [-- --demo] [--headless] [--port P]';

function readArguments() {
  try {
    return parseArgs({
      options: { demo: { type: 'boolean' }, headless: { type: 'boolean' }, port: { type: 'string' } },
    }).values;
  } catch (error) {
    console.error(`${error.message}\n${usage}`);
    process.exit(2);
  }
}

async function start({ demo = false, headless = false, port }) {
  const say = (line) => console.log(line);
  if (!(await setUp({ say }))) say('Everything is set up.');
  if (demo && headless) return await sdp('demo');
  if (!headless && !port && hasDisplay()) {
    const binary = await electronBinary(say);
    if (binary && (await runElectron(binary, demo ? ['--demo'] : [], say))) return;
  }
  await sdp('serve', ...(demo ? ['--demo'] : []), ...(port ? ['--port', port] : []));
}

/** The command in this very process, so that Ctrl-C and the exit code are its own. */
async function sdp(...args) {
  const cli = join(root, 'out/main/cli.js');
  process.argv.splice(1, Infinity, cli, ...args);
  await import(pathToFileURL(cli).href);
}

try {
  await start(readArguments());
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
