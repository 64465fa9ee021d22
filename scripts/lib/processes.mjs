// Runs programs for the scripts: Node's own without a shell, others by name; with captured, shown or redirected output, and a time limit.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const windows = process.platform === 'win32';

/**
 * Runs a program to its end. `output` is what it wrote where `stdio` is 'capture', else empty.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, stdio?: 'inherit' | 'capture' | 'stderr', timeoutMs?: number, shell?: boolean, onStdout?: (text: string) => void }} [options]
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} `code` 127: there is no such program
 */
export function run(
  command,
  args,
  { cwd = root, env = {}, stdio = 'inherit', timeoutMs, shell = false, onStdout } = {},
) {
  const streams = {
    inherit: ['ignore', 'inherit', 'inherit'],
    capture: ['ignore', 'pipe', 'pipe'],
    stderr: ['ignore', 2, 2],
  };
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      shell,
      stdio: onStdout ? ['ignore', 'pipe', 'inherit'] : streams[stdio],
      env: { ...process.env, PATH: searchPath(), ...env },
      windowsHide: true,
    });
    let output = '';
    let timedOut = false;
    const timer = timeoutMs && setTimeout(() => ((timedOut = true), child.kill('SIGKILL')), timeoutMs);
    const forward = (signal) => child.kill(signal);
    process.on('SIGTERM', forward);
    child.stdout?.on('data', (data) => ((output += data), onStdout?.(String(data))));
    child.stderr?.on('data', (data) => (output += data));
    const finish = (code) => {
      clearTimeout(timer);
      process.off('SIGTERM', forward);
      resolve({ code, output, timedOut });
    };
    child.once('error', (error) => finish(error.code === 'ENOENT' ? 127 : 1));
    child.once('close', (code) => finish(code ?? 1));
  });
}

/** Runs a JavaScript program of the checkout (`path` from its root) with this Node. */
export function nodeScript(path, args, options) {
  return run(process.execPath, [join(root, path), ...args], options);
}

/** npm, by the same npm that started this script where there was one. */
export function npm(args, options) {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.[cm]?js$/.test(cli)) return run(process.execPath, [cli, ...args], options);
  return run('npm', args, { ...options, shell: windows });
}

/** PATH, and where rustup puts Rust even when the shell that started us does not know yet. */
function searchPath() {
  const cargo = join(homedir(), '.cargo', 'bin');
  const path = process.env.PATH ?? '';
  return existsSync(cargo) && !path.split(delimiter).includes(cargo) ? `${path}${delimiter}${cargo}` : path;
}

/** The last lines of a text, indented, for an error message. */
export function tail(output, lines = 40) {
  return output
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .map((line) => `  ${line}`)
    .join('\n');
}
