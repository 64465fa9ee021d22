// The portable folder: the built app with Node.js and its packages, for a Linux x86-64 machine that has neither Node.js, npm nor Rust.
//
// Layout: `sdp` (the launcher), `node/`, `app/` (as a checkout, without sources and what only development needs), `resources/`, `licences/`.

import { chmodSync, constants, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runtimeFolder } from './cuda.mjs';
import { newestVersion, readElf } from './elf.mjs';
import { writeLicences } from './licences.mjs';
import { shippedPackages } from './packages.mjs';
import { root, run } from './processes.mjs';
import { SetupError } from './setUp.mjs';

const nodeLibraries = /^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)\.so/;
const notRun = /\.(map|[cm]?ts|tsx)$/;

/** Throws where this machine or its Node.js cannot make one. */
export function mustBePortable() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new SetupError(
      `A portable folder is made on Linux x86-64 alone; this is ${process.platform} on ${process.arch}.`,
    );
  const others = readElf(process.execPath).needed.filter((name) => !nodeLibraries.test(name));
  if (others.length > 0)
    throw new SetupError(
      `The Node.js at ${process.execPath} needs ${others.join(', ')}, which other machines lack; use one from https://nodejs.org.`,
    );
}

/**
 * Makes the folder, which is not there yet. The app is built already.
 * @param {string} folder
 * @returns {Promise<Record<'sdp' | 'commit' | 'node' | 'onnxruntime' | 'glibc' | 'libstdc++', string>>} versions of what is in it, and
 *   the least versions of the system's libraries; `app/portable.json` has them as well
 */
export async function makePortable(folder) {
  mkdirSync(folder, { recursive: true });
  const copy = (from, to = from, filter) =>
    cpSync(join(root, from), join(folder, to), { recursive: true, filter, mode: constants.COPYFILE_FICLONE });
  for (const part of ['main', 'preload', 'renderer']) copy(`out/${part}`, `app/out/${part}`);
  copy('native/binding/sdp.node', 'app/native/binding/sdp.node');
  for (const path of shippedPackages()) copy(path, `app/${path}`, isRun);
  copy('samples', 'app/samples');
  copy('resources');
  copy('LICENSE');
  mkdirSync(join(folder, 'node/bin'), { recursive: true });
  cpSync(process.execPath, join(folder, 'node/bin/node'));
  await writeLicences(folder);
  const about = { ...(await versions()), ...systemNeeds() };
  const { name, version, license, type } = readJson('package.json');
  writeFileSync(join(folder, 'app/package.json'), JSON.stringify({ name, version, license, type }, null, 2));
  writeFileSync(join(folder, 'app/portable.json'), JSON.stringify(about, null, 2));
  writeFileSync(join(folder, 'README.txt'), readme(about));
  writeFileSync(join(folder, 'sdp'), launcher);
  chmodSync(join(folder, 'sdp'), 0o755);
  return about;
}

/** Whether a file of a package is needed to run: no nested package (each is named by itself), types, or libraries for other platforms. */
function isRun(path) {
  const [, platform] = /onnxruntime-node\/bin\/napi-v6\/(.+)$/.exec(path) ?? [];
  if (platform !== undefined && platform !== 'linux' && !platform.startsWith('linux/x64')) return false;
  if (/^lib(onnxruntime_providers_|curand)/.test(basename(path))) return false;
  return basename(path) !== 'node_modules' && !notRun.test(path);
}

async function versions() {
  const { code, output } = await run('git', ['describe', '--always', '--dirty'], { stdio: 'capture' });
  return {
    sdp: readJson('package.json').version,
    commit: code === 0 ? output.trim() : 'unknown',
    node: process.versions.node,
    onnxruntime: readJson('node_modules/onnxruntime-node/package.json').version,
  };
}

/** Least versions of the system's C and C++ libraries, read from the programs and libraries themselves. */
function systemNeeds() {
  const files = [
    process.execPath,
    join(root, 'native/binding/sdp.node'),
    join(root, runtimeFolder, 'libonnxruntime.so.1'),
  ];
  const wanted = files.flatMap((file) => readElf(file).versions);
  return { glibc: newestVersion(wanted, 'GLIBC'), 'libstdc++': newestVersion(wanted, 'GLIBCXX') };
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

/** `command -p` looks where the system keeps its tools, whatever PATH is. */
const launcher = `#!/bin/sh
# The command line of SDP Lab with the Node.js beside it; to be started from anywhere, by a link too.
self=$(command -p readlink -f -- "$0") || self=$0
case $self in */*) ;; *) self=./$self ;; esac
# ONNX Runtime would send its vendor what it is used for.
export ORT_DISABLE_TELEMETRY=1
exec "\${self%/*}/node/bin/node" "\${self%/*}/app/out/main/cli.js" "$@"
`;

const readme = ({ sdp, commit, node, onnxruntime, glibc, 'libstdc++': libstdcxx }) => `SDP Lab ${sdp} (${commit})

Runs on Linux x86-64 with glibc ${glibc} or newer and a libstdc++ that has GLIBCXX_${libstdcxx}; nothing is to be installed.
It brings Node.js ${node} and ONNX Runtime ${onnxruntime}. WebGPU devices need a Vulkan driver, CUDA devices a driver
and ONNX Runtime's CUDA provider, which the kit of "npm run gpu -- pack" brings.

  ./sdp serve          the app as a page on loopback
  ./sdp demo           the sample run in the terminal
  ./sdp devices        what can train here
  ./sdp --help         every command

Sample configurations: resources/. Datasets and runs lie in $SDP_HOME, else in ~/.local/share/sdp-lab.
Licences: LICENSE, node/LICENSE, licences/, and beside each package in app/node_modules.
`;
