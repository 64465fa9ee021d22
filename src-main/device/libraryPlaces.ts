// Where a Linux machine may have libraries of NVIDIA's: the folder of the runtime, what the environment and the loader name, the folders of
// system packages, conda, and the `nvidia/*/lib` folders that Python packages bring. Nothing is run for it; what is not there is left out.
//
// `root` stands before every path of the system, so that tests look at made-up machines.

import { readdir, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { readLoaderCache } from './loaderCache.ts';

export interface Place {
  name: string;
  /** Path by file name. */
  files: ReadonlyMap<string, string>;
}

export interface Machine {
  root: string;
  env: NodeJS.ProcessEnv;
}

/** Places with libraries, in the order in which they are preferred where they have equally much. */
export async function libraryPlaces(runtimeFolder: string, machine: Machine): Promise<Place[]> {
  const named = namedFolders(machine);
  const places = await Promise.all([
    placeOf('beside ONNX Runtime', [runtimeFolder]),
    ...named.map((folder) => placeOf(`LD_LIBRARY_PATH (${folder})`, [folder])),
    loaderPlace(machine),
    ...(await systemFolders(machine)).map((folder) => placeOf(folder, [folder])),
    ...(await condaFolders(machine)).map((folder) => placeOf(folder, [join(folder, 'lib')])),
    ...(await pythonSites(machine)).map(async (site) => placeOf(join(site, 'nvidia'), await packageFolders(site))),
  ]);
  return places.filter(({ files }) => files.size > 0);
}

function namedFolders({ root, env }: Machine): string[] {
  const folders = (env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return unique(folders.map((folder) => join(root, folder)));
}

async function loaderPlace({ root }: Machine): Promise<Place> {
  const cache = await readLoaderCache(join(root, '/etc/ld.so.cache'));
  const own = [...cache].filter(([name]) => isNvidiaName(name));
  return { name: "the loader's cache", files: new Map(own.map(([name, path]) => [name, join(root, path)])) };
}

async function systemFolders({ root }: Machine): Promise<string[]> {
  const versions = (await namesIn(join(root, '/usr/local'))).filter((name) => /^cuda(-|$)/.test(name));
  const newestFirst = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const toolkits = [...newestFirst.map((name) => `/usr/local/${name}`), '/opt/cuda'];
  const folders = toolkits.flatMap((folder) => [`${folder}/lib64`, `${folder}/targets/x86_64-linux/lib`]);
  const system = [
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib',
    '/usr/lib/wsl/lib',
  ];
  return unique([...folders, ...system].map((folder) => join(root, folder)));
}

/** The environment in use, then the bases of usual installations. */
async function condaFolders({ root, env }: Machine): Promise<string[]> {
  const base = env.CONDA_EXE ? [dirname(dirname(env.CONDA_EXE))] : [];
  const names = ['miniconda3', 'anaconda3', 'miniforge3', 'mambaforge'];
  const usual = ['/opt/conda', ...(env.HOME ? names.map((name) => join(env.HOME!, name)) : [])];
  const folders = [...(env.CONDA_PREFIX ? [env.CONDA_PREFIX] : []), ...base, ...usual];
  return unique(folders.map((folder) => join(root, folder)));
}

/** Folders with Python packages: of the environments in use, of Pythons on the path, of the user, and of versions that pyenv keeps. */
async function pythonSites(machine: Machine): Promise<string[]> {
  const { root, env } = machine;
  const prefixes = [
    ...(env.VIRTUAL_ENV ? [join(root, env.VIRTUAL_ENV)] : []),
    ...(await condaFolders(machine)),
    ...(await prefixesOnPath(machine)),
    ...['/usr', '/usr/local'].map((prefix) => join(root, prefix)),
    ...(env.HOME ? [join(root, env.HOME, '.local')] : []),
    ...(await pyenvPrefixes(machine)),
  ];
  const sites = await Promise.all(unique(prefixes).map(sitesUnder));
  return unique(sites.flat());
}

/** A virtual environment has a link to its base's Python: both have packages. */
async function prefixesOnPath({ root, env }: Machine): Promise<string[]> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  const programs = folders.flatMap((folder) => ['python3', 'python'].map((name) => join(root, folder, name)));
  const found = await Promise.all(
    programs.map((program) =>
      realpath(program).then(
        (real) => [program, real],
        () => [],
      ),
    ),
  );
  return found.flat().map((program) => dirname(dirname(program)));
}

async function pyenvPrefixes({ root, env }: Machine): Promise<string[]> {
  const base = env.PYENV_ROOT ?? (env.HOME ? join(env.HOME, '.pyenv') : undefined);
  if (base === undefined) return [];
  const versions = join(root, base, 'versions');
  return (await namesIn(versions)).map((name) => join(versions, name));
}

async function sitesUnder(prefix: string): Promise<string[]> {
  const folders = await Promise.all(
    ['lib', 'lib64'].map(async (lib) => {
      const versions = (await namesIn(join(prefix, lib))).filter((name) => /^python3(\.\d+)?$/.test(name));
      return versions.map((version) => join(prefix, lib, version));
    }),
  );
  return folders.flat().flatMap((folder) => [join(folder, 'site-packages'), join(folder, 'dist-packages')]);
}

async function packageFolders(site: string): Promise<string[]> {
  return (await namesIn(join(site, 'nvidia'))).map((name) => join(site, 'nvidia', name, 'lib'));
}

async function placeOf(name: string, folders: readonly string[]): Promise<Place> {
  const files = new Map<string, string>();
  for (const folder of folders) {
    for (const file of await namesIn(folder)) {
      if (isNvidiaName(file) && !files.has(file)) files.set(file, join(folder, file));
    }
  }
  return { name, files };
}

/** A library of the system by its name, where programs would find it; null where it is not there. */
export async function systemLibrary(name: string, machine: Machine): Promise<string | null> {
  const folders = [...namedFolders(machine), ...(await systemFolders(machine))];
  const cached = (await readLoaderCache(join(machine.root, '/etc/ld.so.cache'))).get(name);
  const paths = [
    ...(cached === undefined ? [] : [join(machine.root, cached)]),
    ...folders.map((folder) => join(folder, name)),
  ];
  return firstThere(paths);
}

/** The first that can be reached; links that lead nowhere are not there. */
export async function firstThere(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await isFile(path)) return path;
  return null;
}

/** Names of CUDA's libraries; those of the driver begin otherwise, or are told apart by their users. */
export function isNvidiaName(name: string): boolean {
  return /^lib(cu|nv)[\w-]*\.so(\.\d+)*$/.test(name);
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/** Not a folder, nor a pipe, at which a reader would wait. */
export function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

export function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}
