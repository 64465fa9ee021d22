// The kit as built, on devices that this machine has. The whole pass from the packed folder is in scripts/portable.process.test.mjs.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import type { KitReport } from './report.ts';

const program = join(import.meta.dirname, '../../out/main/gpu.js');

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'sdp-kit-test-'));
});
afterAll(() => rm(out, { recursive: true }));

interface Ended {
  code: number;
  output: string;
  report: KitReport;
}

function kit(args: string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const all = [program, 'run', '--quick', '--out', out, ...args];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, all, { env: { ...process.env, SDP_KIT_TEST: out, ...env } }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0;
      readFile(join(out, 'gpu.json'), 'utf8')
        .then((text) => resolve({ code, output: stdout + stderr, report: JSON.parse(text) as KitReport }))
        .catch((e: unknown) => reject(new Error(`${String(e)}\n${stdout}${stderr}`)));
    });
  });
}

/** Sections that these tests have started: other kits may run from the same checkout. */
async function sectionsThatRun(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (pid: string, name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const found = await Promise.all(
    pids.map(async (pid) => {
      const isSection = (await read(pid, 'cmdline')).includes(`${program}\0section`);
      return isSection && (await read(pid, 'environ')).includes(`SDP_KIT_TEST=${out}`);
    }),
  );
  return pids.filter((_, i) => found[i]);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50);
}

const states = ({ sections }: KitReport) => Object.fromEntries(sections.map(({ name, state }) => [name, state]));

test('a section that fails keeps its reason, and the next one starts', async () => {
  const { code, report } = await kit(['--device', 'cuda:7', '--only', 'case,faults']);
  expect(code).toBe(1);
  expect(states(report)).toEqual({ case: 'failed', faults: 'failed' });
  expect(report.sections[0]!.reason).toMatch(/^resnet-ddp: .*CUDA/);
  expect(report.firstFigureSeconds).toBe(null);
}, 60_000);

test('what has no time left is cut off, with what it had found, and nothing of it goes on', async () => {
  const { code, report } = await kit(['--device', 'cpu', '--only', 'mixed,cases', '--within', '2']);
  expect(code).toBe(1);
  expect(states(report)).toEqual({ mixed: 'cut', cases: 'cut' });
  expect(report.sections.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^it was ended when the time of the kit was over, after (2|1\.\d) s$/),
    'no time was left for it; --within SECONDS gives more',
  ]);
  expect(await sectionsThatRun()).toEqual([]);
}, 60_000);

test.each(['SIGINT', 'SIGKILL'] as const)(
  'ended by %s, the kit keeps its results and leaves no process',
  async (signal) => {
    const args = ['run', '--quick', '--out', join(out, signal), '--device', 'cpu', '--only', 'doctor,mixed'];
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SDP_KIT_TEST: out },
    });
    const ended = new Promise((resolve) => child.once('close', (code, by) => resolve(code ?? by)));
    for await (const data of child.stdout) if (String(data).includes('devices of two kinds')) break;
    await until(async () => (await sectionsThatRun()).length > 0);
    child.kill(signal);
    expect(await ended).toBe(signal === 'SIGINT' ? 130 : signal);
    await until(async () => (await sectionsThatRun()).length === 0);
    const report = JSON.parse(await readFile(join(out, signal, 'gpu.json'), 'utf8')) as KitReport;
    expect(report.sections[0]!.tables[0]!.rows.length).toBeGreaterThan(2);
    if (signal === 'SIGINT')
      expect(report.sections[1]).toMatchObject({ state: 'cut', reason: 'the kit was ended by SIGINT' });
  },
  60_000,
);

test('results that no file takes are printed', async () => {
  const folder = join(out, 'gone');
  const args = ['run', '--quick', '--out', folder, '--device', 'cpu', '--only', 'doctor,case'];
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SDP_KIT_TEST: out },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let [output, isGone] = ['', false];
  for await (const data of child.stdout) {
    output += String(data);
    if (isGone || !output.includes('One reference case')) continue;
    await rename(folder, `${folder} away`);
    isGone = true;
  }
  expect(output).toContain('| resnet-ddp |');
  expect(output).toContain(
    `These results are in no file: ${folder}/gpu.json cannot be written: its folder does not exist.`,
  );
  expect(await ended).toBe(1);
}, 60_000);

test.skipIf(process.platform === 'win32')(
  'where PyTorch fails, its reason is told and the other side is measured',
  async () => {
    const python = join(out, 'python');
    const script = '[ "$1" = -c ] && exit 0; echo Traceback >&2; echo "RuntimeError: no kernel image" >&2; exit 1';
    await writeFile(python, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const { report } = await kit(['--device', 'cpu', '--only', 'llama', '--python', python]);
    const [llama] = report.sections;
    expect(llama).toMatchObject({
      state: 'failed',
      problems: ["PyTorch: PyTorch's process ended without an answer: RuntimeError: no kernel image"],
    });
    expect(llama!.tables[0]!.rows.map(([regime, ms, torch]) => [regime, typeof ms, torch])).toEqual([
      ['ddp', 'number', null],
      ['block-forward', 'number', null],
      ['neuron-forward', 'number', null],
    ]);
  },
  60_000,
);

test('wrong usage is one sentence and exit code 2', async () => {
  await kit(['--device', 'cpu', '--only', 'copies']);
  const { code, output } = await kit(['--only', 'speed']);
  expect(code).toBe(2);
  expect(output).toBe(
    'gpu: --only: there is no section "speed"; there are doctor, case, formulations, resnet, llama, swin, cases, copies, custom, profile, mixed, faults, webgpu\n',
  );
  const device = await kit(['--device', 'tpu:0']);
  expect([device.code, device.output]).toEqual([2, 'gpu: --device must be cuda:N, webgpu:N or cpu:N, got "tpu:0"\n']);
}, 60_000);

test.skipIf(!softwareVulkan)(
  `the sections run on WebGPU, ${onSoftwareVulkan}`,
  async () => {
    const { code, report, output } = await kit(
      ['--device', 'webgpu:0', '--only', 'case,llama,copies'],
      softwareVulkan!,
    );
    expect(states(report), output + JSON.stringify(report)).toEqual({ case: 'ok', llama: 'ok', copies: 'ok' });
    expect(code).toBe(0);
    const steps = report.sections.find(({ name }) => name === 'llama')!.tables[0]!.rows;
    expect(steps.map(([regime]) => regime)).toEqual(['ddp', 'block-forward', 'neuron-forward']);
  },
  300_000,
);
