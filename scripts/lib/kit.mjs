// The kit that `gpu.sh` runs on a machine that has nothing but an NVIDIA driver: the portable folder with reference cases and the PyTorch side of
// the benches (a gzipped tar), then ONNX Runtime's CUDA provider (brotli, which the folder's Node.js knows). Both are one stream of bytes, cut in
// parts; the manifest says where one ends, and the size and SHA-256 of each part.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  createReadStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import { runtimeFolder } from './cuda.mjs';
import {
  curandLibrary,
  curandLicence,
  curandWheel,
  fetchWheel,
  licences,
  providerLibrary,
  providerWheel,
  sharedLibrary,
} from './cudaWheel.mjs';
import { makePortable } from './portable.mjs';
import { root } from './processes.mjs';
import { SetupError } from './setUp.mjs';

const isPart = /^sdp-lab-kit\.\d+$/;
/** Quality 9 takes ten times as long as 5 and saves one percent. */
const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 24 } };

/**
 * Writes gpu.sh, the manifest and the parts into a folder, in place of those of an earlier kit.
 * @param {string} out
 * @param {{ provider: boolean, partBytes: number, say: (line: string) => void }} options
 */
export async function packKit(out, { provider, partBytes, say }) {
  const work = join(out, '.packing');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    say('Gathering the app ...');
    const kit = join(work, 'kit');
    const about = await makePortable(kit);
    addMeasurements(kit);
    const library = provider ? await addProvider(kit, say) : undefined;
    say('Compressing ...');
    const parts = new Parts(work, partBytes);
    const appBytes = await compress(tarOf(kit), createGzip(), parts);
    const providerBytes = library ? await compress(createReadStream(library), createBrotliCompress(brotli), parts) : 0;
    await parts.close();
    const streams = {
      app: [appBytes, bytesBelow(kit)],
      provider: [providerBytes, library ? statSync(library).size : 0, `app/${runtimeFolder}/${providerLibrary}`],
    };
    for (const name of readdirSync(out).filter((name) => isPart.test(name) || name === 'manifest'))
      rmSync(join(out, name));
    for (const { name } of parts.list) renameSync(join(work, name), join(out, name));
    copyFileSync(join(root, 'scripts/gpu.sh'), join(out, 'gpu.sh'));
    writeFileSync(join(out, 'manifest'), manifest(about, streams, parts.list));
    return { parts: parts.list, appBytes, providerBytes };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function addMeasurements(kit) {
  cpSync(join(root, 'testdata/cases'), join(kit, 'testdata/cases'), { recursive: true });
  mkdirSync(join(kit, 'bench'));
  for (const name of readdirSync(join(root, 'bench')).filter((name) => name.endsWith('.py')))
    copyFileSync(join(root, 'bench', name), join(kit, 'bench', name));
}

/** All of the provider but its own library, whose path is returned, and cuRAND, which it is linked against. */
async function addProvider(kit, say) {
  say("Fetching ONNX Runtime's CUDA provider, where it is not in out/cache ...");
  const folder = await fetched(providerWheel());
  const curand = await fetched(curandWheel);
  copyFileSync(join(curand, curandLibrary), join(kit, 'app', runtimeFolder, curandLibrary));
  mkdirSync(join(kit, 'licences/curand'));
  copyFileSync(join(curand, curandLicence), join(kit, 'licences/curand', curandLicence));
  copyFileSync(join(folder, sharedLibrary), join(kit, 'app', runtimeFolder, sharedLibrary));
  mkdirSync(join(kit, 'licences/onnxruntime'));
  for (const name of licences) copyFileSync(join(folder, name), join(kit, 'licences/onnxruntime', name));
  return join(folder, providerLibrary);
}

async function fetched(wheel) {
  const { folder, problem } = await fetchWheel(wheel);
  if (problem)
    throw new SetupError(`${wheel.name} could not be fetched: ${problem}. Repair that, or pack with --no-provider.`);
  return folder;
}

/** The same bytes for the same files, so that parts of an earlier kit stay good where nothing changed. */
function tarOf(folder) {
  const same = ['--owner=0', '--group=0', '--sort=name', '--mtime=2000-01-01 00:00:00Z'];
  const tar = spawn('tar', [...same, '-cf', '-', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  tar.once('error', (error) => tar.stdout.destroy(error));
  tar.once('close', (code) => code !== 0 && tar.stdout.destroy(new Error(`tar ended with code ${code}`)));
  return tar.stdout;
}

/** Appends a compressed stream to the parts; returns its length. */
async function compress(source, compression, parts) {
  const before = parts.bytes;
  await pipeline(source, compression, new Writable({ write: (data, _, done) => parts.write(data).then(done, done) }));
  return parts.bytes - before;
}

function bytesBelow(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

/** Files sdp-lab-kit.01, .02, ... of at most `partBytes` that hold what is written, in order. */
class Parts {
  list = [];
  bytes = 0;
  #current;

  constructor(folder, partBytes) {
    this.folder = folder;
    this.partBytes = partBytes;
  }

  async write(data) {
    for (let rest = data; rest.length > 0;) {
      this.#current ??= await this.#open();
      const { file, hash } = this.#current;
      const piece = rest.subarray(0, this.partBytes - this.#current.bytes);
      await file.writeFile(piece);
      hash.update(piece);
      this.#current.bytes += piece.length;
      this.bytes += piece.length;
      if (this.#current.bytes === this.partBytes) await this.close();
      rest = rest.subarray(piece.length);
    }
  }

  async #open() {
    const name = `sdp-lab-kit.${String(this.list.length + 1).padStart(2, '0')}`;
    return { name, bytes: 0, hash: createHash('sha256'), file: await open(join(this.folder, name), 'w') };
  }

  async close() {
    if (!this.#current) return;
    const { name, bytes, hash, file } = this.#current;
    this.#current = undefined;
    await file.close();
    this.list.push({ name, bytes, sha256: hash.digest('hex') });
  }
}

function manifest(about, { app, provider }, parts) {
  const lines = [
    '# What the parts of this kit are. "bash gpu.sh" checks and joins them; by hand: the parts in order are one stream, whose first bytes (app: their',
    '# number) are a gzipped tar of the folder, and the others (provider) one library, by brotli, whose place in the folder is named.',
    ...Object.entries(about).map(([name, version]) => `version ${name} ${version}`),
    `app ${app.join(' ')}`,
    `provider ${provider.join(' ')}`,
    ...parts.map(({ name, bytes, sha256 }) => `part ${sha256} ${bytes} ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}
