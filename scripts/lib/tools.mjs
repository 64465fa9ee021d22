// What must be on the machine before anything can be set up: Node of a version that works, and for the Rust addon Rust and a C compiler.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './processes.mjs';

/** A sentence that says what is missing and how to get it; undefined where Node will do. */
export function nodeProblem(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  const enough = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  return enough
    ? undefined
    : `SDP Lab needs Node 20.19 or newer, or 22.12 or newer; this is ${version}. Get it from https://nodejs.org.`;
}

/** The same for what the Rust addon is built with. */
export async function buildToolsProblem() {
  return (await rustProblem()) ?? (await compilerProblem());
}

async function rustProblem() {
  const wanted = /rust-version = "([\d.]+)"/.exec(readFileSync(join(root, 'native/Cargo.toml'), 'utf8'))?.[1] ?? '1.0';
  const { code, output } = await run('cargo', ['--version'], { stdio: 'capture' });
  if (code !== 0)
    return `Rust is missing: cargo was not found. Install Rust ${wanted} or newer from https://rustup.rs.`;
  const found = /cargo (\d+\.\d+)/.exec(output)?.[1] ?? '0.0';
  if (isOlder(found, wanted)) return `Rust ${wanted} or newer is needed, this is ${found}. Run "rustup update stable".`;
  return undefined;
}

async function compilerProblem() {
  // Rust finds Microsoft's linker by itself and says so where it is missing.
  if (process.platform === 'win32') return undefined;
  for (const compiler of ['cc', 'gcc', 'clang']) {
    if ((await run(compiler, ['--version'], { stdio: 'capture' })).code === 0) return undefined;
  }
  return `A C compiler is missing: none of cc, gcc and clang was found. ${compilerRemedy()}`;
}

function compilerRemedy() {
  if (process.platform === 'darwin') return 'Run "xcode-select --install".';
  if (existsSync('/etc/debian_version')) return 'Run "sudo apt-get install build-essential".';
  return "Install gcc or clang with your distribution's package manager.";
}

/** Whether version `found` is below `wanted`; major and minor count. */
export function isOlder(found, wanted) {
  const [foundMajor, foundMinor] = found.split('.').map(Number);
  const [major, minor] = wanted.split('.').map(Number);
  return foundMajor < major || (foundMajor === major && foundMinor < minor);
}
