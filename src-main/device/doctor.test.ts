// The diagnosis of made-up machines, from their files.

import { chmod, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Purpose } from '../contract/doctor.ts';
import { UserError } from '../contract/errors.ts';
import { cudnnFor, toolkit, writeLibraries, writeProvider } from '../testing/cudaMachine.ts';
import { diagnose } from './doctor.ts';
import { machineFacts, type Surroundings } from './machineFacts.ts';

let root: string;
let around: Surroundings;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sdp-doctor-'));
  const runtime = await writeProvider(join(root, 'app'));
  around = { machine: { root, env: {} }, runtime, driverLibrary: join(root, 'libnvidia-ml.so.1') };
});
afterEach(() => rm(root, { recursive: true }));

const isSupported = process.platform === 'linux' && process.arch === 'x64';

/** State of each finding of CUDA's libraries, and of the driver. */
async function cuda(purpose?: Purpose): Promise<Record<string, string>> {
  const { findings } = await diagnose({ ...around, ...(purpose ? { purpose } : {}) });
  const about = findings.filter(({ id }) => id.startsWith('cuda-libraries') || id === 'cuda-driver');
  return Object.fromEntries(about.map(({ id, state, detail }) => [id, `${state}: ${detail.replaceAll(root, '')}`]));
}

const noDriver = 'there is no NVIDIA driver: its library libnvidia-ml.so.1 is not found';

it.runIf(isSupported)('says that there is no driver, and that cuDNN is missing', async () => {
  await writeLibraries(join(root, 'usr/local/cuda/lib64'), toolkit(13));
  expect(await cuda('cuda')).toEqual({
    'cuda-driver': `missing: ${noDriver}`,
    'cuda-libraries': expect.stringMatching(/^ok: libcublasLt\.so\.13, .* in \/usr\/local\/cuda\/lib64$/) as string,
    'cuda-libraries-missing': 'missing: libcudnn.so.9 is not found',
  });
});

it.runIf(isSupported)('finds nothing but CUDA 12 beside a provider for 13', async () => {
  await writeLibraries(join(root, 'usr/lib/x86_64-linux-gnu'), { ...toolkit(12), ...cudnnFor(12) });
  const { 'cuda-libraries-other': other } = await cuda('cuda');
  expect(other).toMatch(/^missing: libcublasLt\.so\.13, libcublas\.so\.13, .*x86_64-linux-gnu\/libcublasLt\.so\.12/);
});

it.runIf(isSupported)('tells a machine without any card what CUDA lacks, and takes it for no fault', async () => {
  const states = Object.values(await cuda()).map((text) => text.split(':')[0]);
  expect(new Set(states)).toEqual(new Set(['info']));
});

it('collects what a machine has from its files', async () => {
  await mkdir(join(root, 'sys/bus/pci/devices/0000:01:00.0'), { recursive: true });
  await writeFile(join(root, 'sys/bus/pci/devices/0000:01:00.0/vendor'), '0x10de\n');
  await writeFile(join(root, 'sys/bus/pci/devices/0000:01:00.0/class'), '0x030200\n');
  await mkdir(join(root, 'dev'));
  for (const name of ['nvidia0', 'nvidiactl', 'nvidia-modeset']) await writeFile(join(root, 'dev', name), '');
  await mkdir(join(root, 'proc/self'), { recursive: true });
  await writeFile(
    join(root, 'proc/self/limits'),
    'Max open files            1024                 4096                 files     \nMax locked memory         unlimited            unlimited            bytes     \n',
  );
  await mkdir(join(root, 'usr/share/vulkan/icd.d'), { recursive: true });
  await writeFile(join(root, 'usr/share/vulkan/icd.d/lvp_icd.json'), '{}');
  await writeLibraries(join(root, 'usr/lib/x86_64-linux-gnu'), { 'libvulkan.so.1': {} });
  const facts = await machineFacts({ ...around, dataFolder: join(root, 'home/not/there/yet') });
  expect(facts).toMatchObject({
    pciCards: 1,
    deviceFiles: [
      { path: join(root, 'dev/nvidia0'), usable: true },
      { path: join(root, 'dev/nvidiactl'), usable: true },
    ],
    vulkan: {
      loader: join(root, 'usr/lib/x86_64-linux-gnu/libvulkan.so.1'),
      drivers: [join(root, 'usr/share/vulkan/icd.d/lvp_icd.json')],
    },
    limits: { openFiles: 1024, lockedBytes: Infinity },
    sharedMemory: null,
    dataFolder: { path: join(root, 'home/not/there/yet'), writable: true },
    provider: { library: { version: '1.30.0', architectures: ['7.5', '8.0', '8.6', '8.9', '9.0a', '12.0a'] } },
  });
});

it.skipIf(process.getuid?.() === 0)(
  'notices a data folder that cannot be written (skipped for root, who may write anywhere)',
  async () => {
    await chmod(root, 0o500);
    expect((await machineFacts({ ...around, dataFolder: join(root, 'home') })).dataFolder).toMatchObject({
      writable: false,
    });
    await chmod(root, 0o700);
  },
);

it('says why there is no data folder', async () => {
  const { findings } = await diagnose({ ...around, dataFolder: new UserError('storage', 'its disk is gone') });
  expect(findings).toContainEqual({
    id: 'data-folder',
    title: 'Data folder',
    state: 'missing',
    detail: 'its disk is gone',
  });
});

it.runIf(isSupported)('judges a machine with a damaged provider all the same', async () => {
  await truncate(join(root, 'app/libonnxruntime_providers_cuda.so'), 100);
  const { findings } = await diagnose({ ...around, purpose: 'cuda' });
  expect(findings.find(({ id }) => id === 'cuda-provider')).toMatchObject({ state: 'missing' });
});
