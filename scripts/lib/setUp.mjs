// Sets up whatever is missing: npm packages, CUDA provider, Rust addon, built app. What is there and current is left alone.

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { compiler, keepAddon, restoreAddon, restorePackages } from './cache.mjs';
import { cudaSettled, fetchCudaProvider } from './cuda.mjs';
import { buildOnce, fingerprint, isFresh, productsOf } from './freshness.mjs';
import { packagesInstalled } from './packages.mjs';
import { nodeScript, npm, tail } from './processes.mjs';
import { buildToolsProblem, nodeProblem } from './tools.mjs';

/** Something that the user has to do; the message is the whole answer. */
export class SetupError extends Error {}

/**
 * @param {{ say: (line: string) => void, retryDownloads?: boolean }} options `say` gets one line per thing that is done
 * @returns {Promise<boolean>} whether anything had to be done
 */
export async function setUp({ say, retryDownloads = false }) {
  const problem = nodeProblem();
  if (problem) throw new SetupError(problem);
  let done = 0;
  const timed = async (title, act) => {
    say(`${title} ...`);
    const start = Date.now();
    await act();
    done++;
    say(`  done in ${((Date.now() - start) / 1000).toFixed(0)} s`);
  };
  if (!packagesInstalled()) await timed('Installing npm packages', installPackages);
  if (!cudaSettled(retryDownloads)) await timed("Fetching ONNX Runtime's CUDA provider", () => fetchCuda(say));
  if (!isFresh('native')) await timed('Building the Rust addon (minutes the first time)', buildNative);
  if (!isFresh('app')) await timed('Building the app', buildApp);
  return done > 0;
}

async function installPackages() {
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output } = await npm(args, { stdio: 'capture' });
  const errors = output.split('\n').filter((line) => line.startsWith('npm error') && line.trim() !== 'npm error');
  if (code === 127) throw new SetupError('npm was not found; it comes with Node, from https://nodejs.org.');
  if (code !== 0)
    throw new SetupError(`npm packages could not be installed:\n${errors.slice(0, 12).join('\n') || tail(output)}`);
}

async function fetchCuda(say) {
  const warning = await fetchCudaProvider();
  if (warning) say(`  Warning: ${warning}`);
}

async function buildNative() {
  const problem = await buildToolsProblem();
  if (problem) throw new SetupError(problem);
  const products = productsOf('native');
  const names = products.map((path) => basename(path)).join();
  const key = createHash('sha256').update(fingerprint('native')).update(compiler()).update(names).digest('hex');
  const build = async () => {
    if (restoreAddon(key, products)) return { code: 0, output: '' };
    restorePackages();
    const built = await nodeScript('scripts/buildNative.mjs', ['--force'], { stdio: 'capture' });
    if (built.code === 0) keepAddon(key, products);
    return built;
  };
  await must('The Rust addon could not be built', buildOnce('native', build));
}

async function buildApp() {
  await must('The app could not be built', nodeScript('scripts/build.mjs', [], { stdio: 'capture' }));
}

async function must(failure, running) {
  const { code, output } = await running;
  if (code !== 0) throw new SetupError(`${failure}:\n${tail(output)}`);
}
