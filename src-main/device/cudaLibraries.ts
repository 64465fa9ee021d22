// The libraries that ONNX Runtime's CUDA provider asks for, found where this machine has them.
//
// Which ones is read from the provider itself, and from what is found: those that they are linked against, and those that they open when used.
// The place that has most of them is preferred, so that those which belong together come from one installation; only what the runtime's own
// folder or the environment names goes first in any case. Loaded in the order of `preload`, they serve whoever asks for their names later.

import { dirname, join } from 'node:path';
import type { Device } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { native, type NvidiaLibrary } from '../native.ts';
import { isFile, isNvidiaName, libraryPlaces, type Machine, type Place } from './libraryPlaces.ts';

export interface CudaLibrary {
  name: string;
  neededBy: string;
  /** Linked against; else opened when used. */
  linked: boolean;
  found: string | null;
  /** One of another major version, or for another CUDA, in its place. */
  wrongMajor?: string;
  /** One of this very name that cannot be read as a library. */
  damaged?: string;
}

export type CudaProvider = { path: string; library: NvidiaLibrary } | { path: string; problem: string };

export interface CudaLibraries {
  /** Beside the runtime; null: it is not there. */
  provider: CudaProvider | null;
  libraries: CudaLibrary[];
  /** Absolute paths, those first that others need. */
  preload: string[];
}

/** The provider beside the runtime. */
export function cudaProvider(runtimeLibrary: string): string {
  return join(dirname(runtimeLibrary), 'libonnxruntime_providers_cuda.so');
}

const known = new Map<string, Promise<CudaLibraries>>();

/** For the provider beside this runtime; nothing where there is none that can be read. Looked for once per process, unless another machine is given. */
export function cudaLibraries(runtimeLibrary: string, machine?: Partial<Machine>): Promise<CudaLibraries> {
  if (machine) return search(runtimeLibrary, { root: '/', env: process.env, ...machine });
  const before = known.get(runtimeLibrary);
  if (before) return before;
  const searched = search(runtimeLibrary, { root: '/', env: process.env });
  known.set(runtimeLibrary, searched);
  return searched;
}

/** What a device of this kind loads before the provider beside this runtime. */
export async function preloadFor(kind: Device['kind'], runtimeLibrary: string): Promise<string[]> {
  return kind === 'cuda' ? (await cudaLibraries(runtimeLibrary)).preload : [];
}

async function search(runtimeLibrary: string, machine: Machine): Promise<CudaLibraries> {
  const provider = await readProvider(cudaProvider(runtimeLibrary));
  if (!provider || 'problem' in provider) return { provider, libraries: [], preload: [] };
  const { path, library } = provider;
  const asked = namesOf(library);
  const places = await libraryPlaces(dirname(path), machine);
  const searching = new Search(asked, byWorth(places, asked), cudaMajorOf(library));
  await searching.addAll();
  const shared = join(dirname(path), 'libonnxruntime_providers_shared.so');
  const { libraries, preload } = searching;
  return { provider, libraries, preload: (await isFile(shared)) ? [shared, ...preload] : preload };
}

async function readProvider(path: string): Promise<CudaProvider | null> {
  if (!(await isFile(path))) return null;
  try {
    return { path, library: await native().readNvidiaLibrary(path) };
  } catch (error) {
    if (error instanceof UserError) return { path, problem: error.message };
    throw error;
  }
}

interface Asked {
  name: string;
  linked: boolean;
  neededBy: string;
  /** Where the library that asks lies, and where it looks; absent for the provider. */
  user?: { folder: string; runpath: string[] };
}

class Search {
  readonly libraries: CudaLibrary[] = [];
  readonly preload: string[] = [];

  constructor(
    private readonly asked: readonly { name: string; linked: boolean }[],
    private readonly places: readonly Place[],
    private readonly cudaMajor: string | undefined,
  ) {}

  async addAll(): Promise<void> {
    for (const { name, linked } of this.asked) await this.add({ name, linked, neededBy: 'the provider' });
  }

  private async add({ name, linked, neededBy, user }: Asked): Promise<void> {
    if (this.libraries.some((library) => library.name === name)) return;
    const own = this.asked.find((asked) => asked.name === name);
    const beside = (user?.runpath ?? []).map((folder) => join(folder, name));
    const anywhere = [...(user ? [join(user.folder, name)] : []), ...this.pathsOf((file) => fits(file, name))];
    const found = await this.first(name, [...beside, ...anywhere]);
    const why = own ? { neededBy: 'the provider', linked: own.linked } : { neededBy, linked };
    this.libraries.push({ name, ...why, ...(found ? { found: found.path } : await this.lacking(name)) });
    if (!found) return;
    const { path, library } = found;
    const next = { neededBy: name, user: { folder: dirname(path), runpath: runpathOf(library, path) } };
    for (const one of library.needed.filter(isCuda)) await this.add({ ...next, name: one, linked: true });
    // The loader finds by itself what lies in a folder of its user's run path; the provider has none.
    if (own || !beside.includes(path)) this.preload.push(path);
    for (const one of isDispatcher(name) ? library.opened.filter(isCuda) : []) {
      await this.add({ ...next, name: withMajor(one, majorOf(name) ?? majorOf(library.soname ?? '')), linked: false });
    }
  }

  /** The first that can be read; of cuDNN, the first for the provider's CUDA. */
  private async first(
    name: string,
    paths: readonly string[],
  ): Promise<{ path: string; library: NvidiaLibrary } | null> {
    for (const path of paths) {
      const library = await readable(path, isDispatcher(name));
      if (library && !(isDispatcher(name) && (await this.isOfOtherCuda(dirname(path))))) return { path, library };
    }
    return null;
  }

  /** cuDNN has the same names for every CUDA, and none of its libraries is linked against one. One of them opens cuBLAS, by its version. */
  private async isOfOtherCuda(folder: string): Promise<boolean> {
    const user = await readable(join(folder, 'libcudnn_adv.so.9'), true);
    const major = majorOf(user?.opened.find((name) => stemOf(name) === 'libcublasLt.so') ?? '');
    return major !== undefined && this.cudaMajor !== undefined && major !== this.cudaMajor;
  }

  private async lacking(name: string): Promise<Pick<CudaLibrary, 'found' | 'wrongMajor' | 'damaged'>> {
    for (const path of this.pathsOf((file) => file === name))
      if (!(await readable(path, false))) return { found: null, damaged: path };
    const wrongMajor = this.pathsOf((file) => stemOf(file) === stemOf(name) && majorOf(file) !== undefined)[0];
    return wrongMajor === undefined ? { found: null } : { found: null, wrongMajor };
  }

  private pathsOf(isWanted: (file: string) => boolean): string[] {
    return this.places.flatMap(({ files }) => [...files].filter(([file]) => isWanted(file)).map(([, path]) => path));
  }
}

async function readable(path: string, contents: boolean): Promise<NvidiaLibrary | null> {
  return (await isFile(path))
    ? native()
        .readNvidiaLibrary(path, contents)
        .catch(() => null)
    : null;
}

/** cuDNN's first library opens the others, which lie beside it and carry its version. */
function isDispatcher(name: string): boolean {
  return stemOf(name) === 'libcudnn.so';
}

/** Names that the provider asks for. Where it knows several versions of one, it is that which fits its CUDA; else the newest. */
function namesOf({ needed, opened }: NvidiaLibrary): { name: string; linked: boolean }[] {
  const linked = needed.filter(isCuda);
  const cudaMajor = cudaMajorOf({ needed });
  const stems = new Set(opened.filter(isCuda).map(stemOf));
  for (const name of linked) stems.delete(stemOf(name));
  const chosen = [...stems].map((stem) => {
    const majors = opened.filter((name) => stemOf(name) === stem).flatMap((name) => majorOf(name) ?? []);
    if (majors.length === 0) return stem;
    const newest = Math.max(...majors.map(Number));
    return `${stem}.${cudaMajor !== undefined && majors.includes(cudaMajor) ? cudaMajor : newest}`;
  });
  return [...linked.map((name) => ({ name, linked: true })), ...chosen.map((name) => ({ name, linked: false }))];
}

/** The CUDA that a library is linked against. */
export function cudaMajorOf({ needed }: Pick<NvidiaLibrary, 'needed'>): string | undefined {
  return majorOf(needed.find((name) => stemOf(name) === 'libcudart.so') ?? '');
}

/** The driver brings its own. */
function isCuda(name: string): boolean {
  return isNvidiaName(name) && !/^lib(cuda|nvidia-[\w-]+|nvcuvid)\.so/.test(name);
}

/** Places with more of the names first, and before all those that were named on purpose. */
function byWorth(places: readonly Place[], asked: readonly { name: string }[]): Place[] {
  const worth = ({ files }: Place) =>
    asked.filter(({ name }) => [...files.keys()].some((file) => fits(file, name))).length;
  const isNamed = ({ name }: Place) => name === 'beside ONNX Runtime' || name.startsWith('LD_LIBRARY_PATH');
  return [...places].sort((a, b) => Number(isNamed(b)) - Number(isNamed(a)) || worth(b) - worth(a));
}

/** `libnvrtc.so` takes any version; `libcudnn.so.9` itself, or a file of a full version where the link to it is missing. */
function fits(file: string, name: string): boolean {
  return (
    file === name || (stemOf(file) === stemOf(name) && (majorOf(name) === undefined || majorOf(file) === majorOf(name)))
  );
}

const stemOf = (name: string) => name.replace(/\.so.*$/, '.so');
const majorOf = (name: string): string | undefined => /\.so\.(\d+)/.exec(name)?.[1];

function withMajor(name: string, major: string | undefined): string {
  return majorOf(name) !== undefined || major === undefined ? name : `${name}.${major}`;
}

function runpathOf({ runpath }: NvidiaLibrary, path: string): string[] {
  return runpath.map((folder) => folder.replace(/\$(ORIGIN|\{ORIGIN\})/, dirname(path)));
}
