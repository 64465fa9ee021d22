// The kit as another machine gets it: packed here, joined by gpu.sh in an empty environment whose PATH has bash, coreutils, tar and gzip alone,
// and run from there. So the portable folder is tested as well, which is what the kit consists of.

import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeScript } from './lib/processes.mjs';

const tools = 'bash cat df gzip head ls mkdir mv readlink rm sha256sum stat tail tar'.split(' ');
const folder = mkdtempSync(join(tmpdir(), 'sdp-portable-'));
const [kit, elsewhere, joined, bin] = ['kit', 'elsewhere', 'joined', 'bin'].map((name) => join(folder, name));
const supported = process.platform === 'linux' && process.arch === 'x64';

beforeAll(async () => {
  if (!supported) return;
  for (const path of [elsewhere, bin]) mkdirSync(path);
  for (const tool of tools) symlinkSync(pathOf(tool), join(bin, tool));
  const args = ['pack', kit, '--no-provider', '--part-size', '16'];
  const { code, output } = await nodeScript('scripts/gpu.mjs', args, { stdio: 'capture' });
  expect(code, output).toBe(0);
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pathOf(tool) {
  const folders = process.env.PATH.split(delimiter);
  return folders.map((path) => join(path, tool)).find(existsSync) ?? join('/usr/bin', tool);
}

/** A program in an environment that has nothing but what is named. */
function bare(program, args, env = {}) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: folder, env: { PATH: bin, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, output: stdout + stderr }),
    );
  });
}

const gpu = (args, env) => bare(join(bin, 'bash'), [join(kit, 'gpu.sh'), ...args], { SDP_KIT_DIR: joined, ...env });

test.skipIf(!supported)('parts that are missing or damaged are named, each in a line', async () => {
  const parts = readdirSync(kit).filter((name) => name.startsWith('sdp-lab-kit.'));
  expect(parts.length).toBeGreaterThan(3);
  renameSync(join(kit, 'sdp-lab-kit.02'), join(elsewhere, 'sdp-lab-kit.02'));
  const remedy = `copy them to ${kit}, or name their folders (gpu.sh join FOLDER..., or SDP_PARTS), and start again.\n`;
  expect(await gpu([])).toEqual({
    code: 1,
    output: `missing: sdp-lab-kit.02 (16 MiB)\ngpu.sh: 1 of ${parts.length} parts are missing or damaged: ${remedy}`,
  });

  renameSync(join(kit, 'sdp-lab-kit.03'), join(elsewhere, 'sdp-lab-kit.03'));
  appendFileSync(join(kit, 'sdp-lab-kit.03'), 'half a part');
  expect(await gpu(['status'], { SDP_PARTS: elsewhere })).toEqual({
    code: 0,
    output: `${parts.length} of ${parts.length} parts are there; not joined yet\n`,
  });
  expect(await gpu(['join'])).toEqual({
    code: 1,
    output:
      `missing: sdp-lab-kit.02 (16 MiB)\ndamaged: ${kit}/sdp-lab-kit.03 (11 bytes of 16777216)\n` +
      `gpu.sh: 2 of ${parts.length} parts are missing or damaged: ${remedy}`,
  });
  expect(existsSync(joined)).toBe(false);
});

test.skipIf(!supported)('the joined kit trains on a machine without Node.js', { timeout: 300_000 }, async () => {
  const lock = `${joined}.lock`;
  writeFileSync(lock, `${process.pid}\n`);
  expect(await gpu(['join', elsewhere])).toEqual({
    code: 1,
    output: `gpu.sh: process ${process.pid} joins ${joined}: wait until it is done, or name another folder by SDP_KIT_DIR.\n`,
  });
  writeFileSync(lock, '999999999\n');
  expect(await gpu(['join', elsewhere])).toEqual({ code: 0, output: `joined: ${joined}\n` });
  expect(existsSync(lock)).toBe(false);
  rmSync(elsewhere, { recursive: true });
  expect(await gpu([])).toEqual({ code: 0, output: `joined: ${joined}\n` });

  const home = { SDP_HOME: join(folder, 'home') };
  symlinkSync(join(joined, 'sdp'), join(folder, 'sdp'));
  const devices = await bare(join(folder, 'sdp'), ['devices', '--json'], { ...home, PATH: '/nowhere' });
  expect(devices.code, devices.output).toBe(0);
  expect(JSON.parse(devices.output).devices[0]).toMatchObject({ id: 'cpu:0' });

  const out = join(folder, 'out');
  const run = await gpu(['run', '--device', 'cpu', '--quick'], { ...home, OUT: out });
  expect(run.code, run.output).toBe(0);
  const { sections, commit } = JSON.parse(readFileSync(join(out, 'gpu.json'), 'utf8'));
  expect(sections.filter(({ state }) => state === 'skipped').map(({ name }) => name)).toEqual([
    'copies',
    'custom',
    'webgpu',
  ]);
  expect(commit).not.toBe('not known');
  expect(readFileSync(join(out, 'gpu.md'), 'utf8')).toContain('| ddp |');
});
