// Devices beyond the CPU: what works is found out by trying, in a process made for it, since a broken driver can hang or kill whoever loads it.
//
// One adapter is found for WebGPU, the fastest, as ONNX Runtime takes no other; CUDA devices are the cards that the driver lists and the CUDA
// provider has code for, where it works. Found once per process.

import type { Device } from '../contract/commands.ts';
import { deviceContract } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { SpawnDevice } from '../processes/deviceProcess.ts';
import { native, type NvidiaCard } from '../native.ts';
import { connect } from '../transport/client.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';
import { runsOn } from './cudaArchitectures.ts';
import { cudaProvider } from './cudaLibraries.ts';
import { isFile } from './libraryPlaces.ts';
import { cudaCards } from './nvidiaCards.ts';

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
        return await findKind(probe, patienceMs);
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

async function findWebGpu(probe: Probe): Promise<Accelerators> {
  const name = await probe('webgpu', 0);
  const device = { id: 'webgpu:0', kind: 'webgpu', executionProvider: 'WebGpuExecutionProvider' } as const;
  const found = { ...device, name: name ?? 'adapter of the graphics driver', memoryBytes: null };
  return { devices: [found], missing: [] };
}

/** Devices by the index of their cards, which device processes are told to use as well. */
async function findCuda(probe: Probe, patienceMs: number): Promise<Accelerators> {
  const { cards, problem } = await cudaCards(patienceMs);
  if (cards.length === 0) throw new UserError('device', problem ?? 'the NVIDIA driver lists no card');
  const path = cudaProvider(runtimeLibrary());
  const code = (await isFile(path)) ? await native().readNvidiaLibrary(path) : null;
  const without = cards.filter(({ computeCapability: of }) => code && of && !runsOn(code, of));
  const usable = cards.filter((card) => !without.includes(card));
  if (usable.length > 0) await probe('cuda', usable[0]!.index);
  return {
    devices: usable.map(({ index, name, memoryBytes }) => ({
      id: `cuda:${index}`,
      kind: 'cuda',
      name,
      executionProvider: 'CUDAExecutionProvider',
      memoryBytes,
    })),
    missing: without.map((card) => ({ kind: 'cuda', reason: withoutCode(card) })),
  };
}

export function withoutCode({ name, computeCapability }: Pick<NvidiaCard, 'name' | 'computeCapability'>): string {
  return `ONNX Runtime's CUDA provider has no code for ${name} (compute capability ${computeCapability?.join('.')}); WebGPU may run on it`;
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
