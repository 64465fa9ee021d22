// Devices beyond the CPU: what works is found out by trying, in a process made for it, since a broken driver can hang or kill whoever loads it.
//
// One adapter is found for WebGPU, the fastest, as ONNX Runtime takes no other; CUDA devices are those that nvidia-smi lists, where
// the CUDA provider works. Found once per process.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device } from '../contract/commands.ts';
import { deviceContract } from '../contract/contracts.ts';
import { UserError } from '../contract/errors.ts';
import type { SpawnDevice } from '../run/deviceProcess.ts';
import { connect } from '../transport/client.ts';

export interface Accelerators {
  devices: Device[];
  /** Kinds that are not there, and why. */
  missing: { kind: Device['kind']; reason: string }[];
}

/** Name of a device that works, where it is known. */
type Probe = (kind: 'webgpu' | 'cuda', index: number) => Promise<string | null>;

let found: Promise<Accelerators> | undefined;

export function findAccelerators(spawnDevice: SpawnDevice): Promise<Accelerators> {
  return (found ??= searchAccelerators(spawnDevice));
}

/** `findAccelerators` without what was found before. */
export async function searchAccelerators(spawnDevice: SpawnDevice, patienceMs = 20_000): Promise<Accelerators> {
  const probe: Probe = (kind, index) => probeDevice(spawnDevice, kind, index, patienceMs);
  const kinds = [
    ['cuda', findCuda],
    ['webgpu', findWebGpu],
  ] as const;
  const results = await Promise.all(
    kinds.map(async ([kind, findKind]): Promise<Accelerators> => {
      try {
        return { devices: await findKind(probe), missing: [] };
      } catch (error) {
        return { devices: [], missing: [{ kind, reason: (error as Error).message }] };
      }
    }),
  );
  return {
    devices: results.flatMap(({ devices }) => devices),
    missing: results.flatMap(({ missing }) => missing),
  };
}

async function findWebGpu(probe: Probe): Promise<Device[]> {
  const name = await probe('webgpu', 0);
  const device = { id: 'webgpu:0', kind: 'webgpu', executionProvider: 'WebGpuExecutionProvider' } as const;
  return [{ ...device, name: name ?? 'adapter of the graphics driver', memoryBytes: null }];
}

async function findCuda(probe: Probe): Promise<Device[]> {
  const devices = await nvidiaDevices();
  await probe('cuda', devices[0]!.index);
  return devices.map(({ index, name, memoryBytes }) => ({
    id: `cuda:${index}`,
    kind: 'cuda',
    name,
    executionProvider: 'CUDAExecutionProvider',
    memoryBytes,
  }));
}

/** GPUs by their index in PCI order, which device processes are told to use as well. */
async function nvidiaDevices(): Promise<{ index: number; name: string; memoryBytes: number }[]> {
  const query = ['--query-gpu=index,name,memory.total', '--format=csv,noheader,nounits'];
  const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 20_000 }).catch(() => ({ stdout: '' }));
  const devices = parseNvidiaSmi(stdout);
  if (devices.length > 0) return devices;
  throw new UserError('device', 'nvidia-smi, which comes with the NVIDIA driver, lists no GPU');
}

/** Lines of `index, name, MiB`. */
export function parseNvidiaSmi(text: string): { index: number; name: string; memoryBytes: number }[] {
  const rows = [...text.matchAll(/^(\d+), (.+), (\d+)\s*$/gm)];
  return rows.map(([, index, name, mib]) => ({
    index: Number(index),
    name: name!,
    memoryBytes: Number(mib) * 2 ** 20,
  }));
}

/** Runs a graph on the device in a process of its own. One that has not answered after `patienceMs` counts as hanging. */
async function probeDevice(
  spawnDevice: SpawnDevice,
  kind: 'webgpu' | 'cuda',
  index: number,
  patienceMs: number,
): Promise<string | null> {
  const child = spawnDevice(`probe of ${kind}:${index}`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UserError('device', `no answer within ${patienceMs / 1000} s`)), patienceMs);
  });
  const ended = child.exited.then(({ code, signal }) => {
    throw new UserError('device', `trying it ended its process with ${signal ?? `exit code ${code}`}`);
  });
  const answer = connect(child.transport, deviceContract).then(async (client) => {
    const { name } = await client.call.probe({ kind, index });
    return name;
  });
  for (const promise of [late, ended, answer]) promise.catch(() => undefined);
  try {
    return await Promise.race([late, ended, answer.catch((error: unknown) => causeOf(error, ended))]);
  } finally {
    clearTimeout(timer);
    child.kill();
  }
}

/** The channel of a process that dies closes before its end is known. */
function causeOf(error: unknown, ended: Promise<never>): Promise<never> {
  if (error instanceof UserError && error.code === 'disconnected') return ended;
  return Promise.reject(error);
}
