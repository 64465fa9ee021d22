// Facts about this machine that decide which devices work on it and how well. Nothing is judged here (findings.ts), nothing is changed, and
// what cannot be found out is null.

import { access, constants, readdir, readFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { native, type NvidiaCards } from '../native.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';
import { cudaLibraries, type CudaLibrary, type CudaProvider } from './cudaLibraries.ts';
import { isFile, isThere, systemLibrary, type Machine } from './libraryPlaces.ts';
import { cudaCards } from './nvidiaCards.ts';

export interface MachineFacts {
  platform: NodeJS.Platform;
  arch: NodeJS.Architecture;
  cpu: { name: string; logicalCores: number; memoryBytes: number };
  runtime: { path: string; version: string | null } | { problem: string };
  /** The CUDA provider beside the runtime, and what it says about itself; null: it is not there. */
  provider: CudaProvider | null;
  libraries: CudaLibrary[];
  cards: NvidiaCards;
  /** CUDA_VISIBLE_DEVICES. */
  visible: string | undefined;
  /** NVIDIA's graphics cards on the PCI bus, whatever the driver says. */
  pciCards: number;
  /** The driver's device files. */
  deviceFiles: { path: string; usable: boolean }[];
  vulkan: { loader: string | null; drivers: string[] };
  /** The memory file system; null where there is none. */
  sharedMemory: Space | null;
  temporary: Space | null;
  /** Room that the parameter store of a run takes. */
  store: StoreNeed | null;
  limits: { openFiles: number; lockedBytes: number } | null;
  dataFolder: (Space & { writable: boolean }) | { problem: string } | null;
}

export interface Space {
  path: string;
  freeBytes: number;
}

export interface StoreNeed {
  bytes: number;
  /** Whose it is, for a sentence. */
  of: string;
}

export interface Surroundings {
  /** Where state lives, or why that cannot be told. */
  dataFolder?: string | UserError;
  store?: StoreNeed;
  /** Stand in for what this machine has, in tests. */
  machine?: Partial<Machine>;
  runtime?: string;
  driverLibrary?: string;
}

const patienceMs = 10_000;

export async function machineFacts(around: Surroundings = {}): Promise<MachineFacts> {
  const machine: Machine = { root: '/', env: process.env, ...around.machine };
  const at = (path: string) => join(machine.root, path);
  const runtime = await runtimeFacts(around.runtime);
  const { provider, libraries } =
    'path' in runtime ? await cudaLibraries(runtime.path, machine) : { provider: null, libraries: [] };
  return {
    platform: process.platform,
    arch: process.arch,
    cpu: native().describeCpu(),
    runtime,
    provider,
    libraries,
    cards: await cudaCards(patienceMs, around.driverLibrary),
    visible: machine.env.CUDA_VISIBLE_DEVICES,
    pciCards: await countPciCards(at('/sys/bus/pci/devices')),
    deviceFiles: await deviceFiles(at('/dev')),
    vulkan: { loader: await systemLibrary('libvulkan.so.1', machine), drivers: await vulkanDrivers(machine) },
    sharedMemory: await spaceOf(at('/dev/shm')),
    temporary: await spaceOf(tmpdir()),
    store: around.store ?? null,
    limits: await limits(at('/proc/self/limits')),
    dataFolder: around.dataFolder === undefined ? null : await dataFolderFacts(around.dataFolder),
  };
}

async function runtimeFacts(given: string | undefined): Promise<MachineFacts['runtime']> {
  try {
    const path = given ?? runtimeLibrary();
    const isElf = process.platform === 'linux' && (await isFile(path));
    return { path, version: isElf ? ((await native().readNvidiaLibrary(path, false)).version ?? null) : null };
  } catch (error) {
    if (error instanceof UserError) return { problem: error.message };
    throw error;
  }
}

/** Vendor 10de, class 03 (display). */
async function countPciCards(folder: string): Promise<number> {
  const read = (name: string, file: string) => readFile(join(folder, name, file), 'utf8').catch(() => '');
  const devices = await readdir(folder).catch(() => []);
  const are = await Promise.all(
    devices.map(async (name) => /^0x10de/.test(await read(name, 'vendor')) && /^0x03/.test(await read(name, 'class'))),
  );
  return are.filter(Boolean).length;
}

async function deviceFiles(folder: string): Promise<MachineFacts['deviceFiles']> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^nvidia(\d+|ctl|-uvm)$/.test(name));
  return Promise.all(
    names.sort().map(async (name) => {
      const path = join(folder, name);
      return { path, usable: await may(path, constants.R_OK | constants.W_OK) };
    }),
  );
}

/** Files that describe drivers, as the Vulkan loader finds them: https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md */
async function vulkanDrivers({ root, env }: Machine): Promise<string[]> {
  const named = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  const there = async (paths: string[]) => {
    const are = await Promise.all(paths.map(isThere));
    return paths.filter((_, index) => are[index]);
  };
  if (named !== undefined) return there(named.split(':').filter(Boolean));
  const data = (env.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':');
  const own = env.HOME ? [join(env.HOME, '.local/share')] : [];
  const bases = ['/etc/xdg', '/etc', ...own, ...data].map((base) => join(root, base, 'vulkan/icd.d'));
  const files = await Promise.all(
    bases.map(async (base) => (await readdir(base).catch(() => [])).map((name) => join(base, name))),
  );
  const added = (env.VK_ADD_DRIVER_FILES ?? '').split(':').filter(Boolean);
  return there([...added, ...files.flat().filter((file) => file.endsWith('.json'))]);
}

async function spaceOf(path: string): Promise<Space | null> {
  return statfs(path).then(
    ({ bavail, bsize }) => ({ path, freeBytes: bavail * bsize }),
    () => null,
  );
}

/** Soft limits of this process; `unlimited` is Infinity. */
async function limits(path: string): Promise<MachineFacts['limits']> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const of = (name: string) => {
    const value = new RegExp(`^${name} +(\\S+)`, 'm').exec(text)?.[1];
    return value === 'unlimited' ? Infinity : Number(value ?? NaN);
  };
  const [openFiles, lockedBytes] = [of('Max open files'), of('Max locked memory')];
  return Number.isNaN(openFiles) || Number.isNaN(lockedBytes) ? null : { openFiles, lockedBytes };
}

async function dataFolderFacts(folder: string | UserError): Promise<MachineFacts['dataFolder']> {
  if (folder instanceof UserError) return { problem: folder.message };
  let there = folder;
  while (!(await isThere(there)) && dirname(there) !== there) there = dirname(there);
  const space = await spaceOf(there);
  return {
    path: folder,
    freeBytes: space?.freeBytes ?? 0,
    writable: await may(there, constants.W_OK | constants.X_OK),
  };
}

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
