// The kit as built, on devices that this machine has. The whole pass from the packed folder is in scripts/portable.process.test.mjs.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    execFile(process.execPath, all, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0;
      readFile(join(out, 'gpu.json'), 'utf8')
        .then((text) => resolve({ code, output: stdout + stderr, report: JSON.parse(text) as KitReport }))
        .catch((e: unknown) => reject(new Error(`${String(e)}\n${stdout}${stderr}`)));
    });
  });
}

const states = ({ sections }: KitReport) => Object.fromEntries(sections.map(({ name, state }) => [name, state]));

test('a section that fails keeps its reason, and the next one starts', async () => {
  const { code, report } = await kit(['--device', 'cuda:7', '--only', 'case,faults']);
  expect(code).toBe(1);
  expect(states(report)).toEqual({ case: 'failed', faults: 'failed' });
  expect(report.sections[0]!.reason).toMatch(/^resnet-ddp: .*CUDA/);
  expect(report.firstFigureSeconds).toBeGreaterThan(0);
}, 60_000);

test('what has no time left is cut off, with what it had found, and nothing of it goes on', async () => {
  const { code, report } = await kit(['--device', 'cpu', '--only', 'mixed,cases', '--within', '2']);
  expect(code).toBe(1);
  expect(states(report)).toEqual({ mixed: 'cut', cases: 'cut' });
  expect(report.sections[0]!.reason).toBe('it was ended after its limit of 2 s');
  const scratch = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(scratch.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  expect(lines.filter((line) => line.includes(`${program}\0section`))).toEqual([]);
}, 60_000);

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
      ['--device', 'webgpu:0', '--only', 'case,llama,copies,mixed'],
      softwareVulkan!,
    );
    expect(states(report), output + JSON.stringify(report)).toEqual({
      case: 'ok',
      llama: 'ok',
      copies: 'ok',
      mixed: 'ok',
    });
    expect(code).toBe(0);
    const steps = report.sections.find(({ name }) => name === 'llama')!.tables[0]!.rows;
    expect(steps.map(([regime]) => regime)).toEqual(['ddp', 'block-forward', 'neuron-forward']);
  },
  120_000,
);
