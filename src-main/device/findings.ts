// Judges the facts about a machine: what works for which kind of device, what does not, and the remedy of each. Pure.
//
// What is missing for a kind that nobody asked for is told as information. Asked for is the purpose, else what the machine is meant for:
// CPU devices always, CUDA where there is a card of NVIDIA's or its driver.

import { formatBytes } from '../contract/bytes.ts';
import type { Finding, Purpose } from '../contract/doctor.ts';
import type { NvidiaCard, NvidiaLibrary } from '../native.ts';
import { runsOn } from './cudaArchitectures.ts';
import { cudaMajorOf, type CudaLibrary } from './cudaLibraries.ts';
import type { MachineFacts } from './machineFacts.ts';

/** Oldest driver of each CUDA: https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html */
const oldestDriver: Partial<Record<number, string>> = { 12: '525', 13: '580' };
const newestCuda = 13;

const leastOpenFiles = 4096;
const leastFreeBytes = 100e6;
const fewFreeBytes = 2e9;

export function findingsOf(facts: MachineFacts, purpose?: Purpose): Finding[] {
  const byKind: Record<Purpose, Finding[]> = {
    cpu: [processor(facts), runtime(facts), ...sharedMemory(facts), ...openFiles(facts), ...dataFolder(facts)],
    cuda: cudaFindings(facts),
    webgpu: [webgpu(facts)],
  };
  const kinds = purpose === undefined ? (['cpu', 'cuda', 'webgpu'] as const) : new Set<Purpose>(['cpu', purpose]);
  const isAsked = (kind: Purpose) => kind === 'cpu' || kind === purpose || (kind === 'cuda' && hasNvidia(facts));
  return [...kinds].flatMap((kind) =>
    byKind[kind].map((finding) => (isAsked(kind) ? finding : asInformation(finding))),
  );
}

/** Processor, memory and cards in a line. */
export function machineLine({ cpu, cards }: MachineFacts): string {
  const processor = `${cpu.name}, ${cpu.logicalCores} cores, ${formatBytes(cpu.memoryBytes)}`;
  const names = cards.cards.map(({ name }) => name);
  if (names.length === 0) return processor;
  return `${processor}; ${names.join(', ')}; driver ${cards.driver ?? 'not known'}, CUDA ${cards.cudaVersion ?? 'not known'}`;
}

function hasNvidia({ cards, pciCards, deviceFiles }: MachineFacts): boolean {
  return cards.driver !== null || cards.cards.length > 0 || pciCards > 0 || deviceFiles.length > 0;
}

/** What the provider says about itself; null: it is not there, or damaged. */
function libraryOf({ provider }: MachineFacts): NvidiaLibrary | null {
  return provider && 'library' in provider ? provider.library : null;
}

function asInformation(finding: Finding): Finding {
  return finding.state === 'ok' ? finding : { ...finding, state: 'info' };
}

function processor({ cpu }: MachineFacts): Finding {
  const detail = `${cpu.name}, ${cpu.logicalCores} cores, ${formatBytes(cpu.memoryBytes)} of memory`;
  return { id: 'processor', title: 'Processor', state: 'ok', detail };
}

function runtime({ runtime: found }: MachineFacts): Finding {
  const about = { id: 'runtime', title: 'ONNX Runtime' };
  if ('problem' in found) return { ...about, state: 'missing', detail: found.problem, remedy: 'npm run setup' };
  return { ...about, state: 'ok', detail: [found.version, found.path].filter(Boolean).join(' at ') };
}

function sharedMemory({ platform, sharedMemory: shared, temporary, store }: MachineFacts): Finding[] {
  if (platform !== 'linux' || store === null) return [];
  const about = { id: 'shared-memory', title: 'Shared memory' };
  const need = `${store.of} takes ${formatBytes(store.bytes)}`;
  const free = shared ? `${formatBytes(shared.freeBytes)} are free in ${shared.path}` : 'there is no /dev/shm';
  if (shared && shared.freeBytes > store.bytes) return [{ ...about, state: 'ok', detail: `${free}, ${need}` }];
  const gib = Math.max(1, Math.ceil((2 * store.bytes) / 2 ** 30));
  const remedy = `in a container, start it with --shm-size=${gib}g; else: sudo mount -o remount,size=${gib}g /dev/shm`;
  if (!temporary || temporary.freeBytes <= store.bytes) {
    return [
      { ...about, state: 'missing', detail: `${free}, ${need}, and ${temporary?.path} has no room either`, remedy },
    ];
  }
  return [{ ...about, state: 'warning', detail: `${free}, ${need}, and goes to a file in ${temporary.path}`, remedy }];
}

function openFiles({ limits }: MachineFacts): Finding[] {
  if (!limits) return [];
  const about = { id: 'open-files', title: 'Open files' };
  const detail = `${limits.openFiles === Infinity ? 'any number of' : limits.openFiles} files may be open`;
  if (limits.openFiles >= leastOpenFiles) return [{ ...about, state: 'ok', detail }];
  return [{ ...about, state: 'warning', detail, remedy: `ulimit -n ${leastOpenFiles}` }];
}

function dataFolder({ dataFolder: found }: MachineFacts): Finding[] {
  if (!found) return [];
  const about = { id: 'data-folder', title: 'Data folder' };
  if ('problem' in found) return [{ ...about, state: 'missing', detail: found.problem }];
  const { path, writable, freeBytes } = found;
  const choose = 'choose another folder under Settings, or by the variable SDP_HOME';
  if (!writable)
    return [{ ...about, state: 'missing', detail: `${path} cannot be written by this user`, remedy: choose }];
  const detail = `${path} has ${formatBytes(freeBytes)} free`;
  if (freeBytes >= fewFreeBytes) return [{ ...about, state: 'ok', detail }];
  const state = freeBytes < leastFreeBytes ? 'missing' : 'warning';
  return [{ ...about, state, detail, remedy: `free space there, or ${choose}` }];
}

function cudaFindings(facts: MachineFacts): Finding[] {
  if (facts.platform !== 'linux' || facts.arch !== 'x64') {
    const detail = 'CUDA devices are there on Linux and x86-64 alone';
    return [{ id: 'cuda-system', title: 'CUDA', state: 'missing', detail, remedy: 'use webgpu:0' }];
  }
  return [
    driver(facts),
    ...unusableFiles(facts),
    provider(facts),
    ...cudaLibraryFindings(facts),
    ...cards(facts),
    ...lockedMemory(facts),
  ];
}

function driver(facts: MachineFacts): Finding {
  const { cards, pciCards } = facts;
  const library = libraryOf(facts);
  const about = { id: 'cuda-driver', title: 'NVIDIA driver' };
  const major = cudaMajor(library);
  const newer = `install NVIDIA's driver ${oldestDriver[major] ?? 'of the newest branch'} or newer (https://www.nvidia.com/drivers)`;
  if (cards.driver === null) {
    const seen =
      pciCards > 0 ? `${pciCards === 1 ? 'a card' : `${pciCards} cards`} of NVIDIA's on the PCI bus, but ` : '';
    const detail = `${seen}${cards.problem ?? 'the NVIDIA driver does not answer'}`;
    return { ...about, state: 'missing', detail, remedy: `${newer}; in a container, start it with --gpus all` };
  }
  const detail = `${cards.driver}, knows CUDA up to ${cards.cudaVersion ?? 'a version that it does not tell'}`;
  if (library && Number.parseInt(cards.cudaVersion ?? '', 10) < major) {
    return { ...about, state: 'missing', detail: `${detail}, and the provider needs CUDA ${major}`, remedy: newer };
  }
  return { ...about, state: 'ok', detail };
}

/** Of the provider; where there is none, of the newest. */
function cudaMajor(library: NvidiaLibrary | null): number {
  return Number(library ? cudaMajorOf(library) : undefined) || newestCuda;
}

function unusableFiles({ deviceFiles, cards }: MachineFacts): Finding[] {
  const closed = deviceFiles.filter(({ usable }) => !usable).map(({ path }) => path);
  const about = { id: 'cuda-device-files', title: 'Device files' };
  if (closed.length > 0) {
    const remedy = `sudo chmod a+rw ${closed.join(' ')}`;
    return [{ ...about, state: 'missing', detail: `this user may not use ${closed.join(', ')}`, remedy }];
  }
  const lacksMemory = deviceFiles.length > 0 && !deviceFiles.some(({ path }) => path.endsWith('-uvm'));
  if (cards.cards.length === 0 || !lacksMemory) return [];
  return [
    { ...about, state: 'warning', detail: 'there is no /dev/nvidia-uvm', remedy: 'sudo nvidia-modprobe -u -c 0' },
  ];
}

function provider({ provider: found, runtime: beside }: MachineFacts): Finding {
  const about = { id: 'cuda-provider', title: 'CUDA provider' };
  const fetch =
    'in a checkout: npm run setup, on the machine with the card; for a portable folder: npm run gpu -- pack DIR';
  if (!found) {
    const detail = "libonnxruntime_providers_cuda.so is not beside ONNX Runtime's library";
    return { ...about, state: 'missing', detail, remedy: fetch };
  }
  const again = `remove that file, then ${fetch}`;
  if ('problem' in found) return { ...about, state: 'missing', detail: found.problem, remedy: again };
  const { version = null, needed, architectures, hasPtx } = found.library;
  const cuda = cudaMajorOf({ needed });
  const code = [...architectures, ...(hasPtx ? ['PTX'] : [])].join(', ') || 'no card';
  const detail = `${version ?? 'version not known'}, for ${cuda === undefined ? 'a CUDA that it does not name' : `CUDA ${cuda}`}, with code for ${code}`;
  const runtimeVersion = 'version' in beside ? beside.version : null;
  if (version !== null && runtimeVersion !== null && version !== runtimeVersion) {
    const other = `${found.path} is of version ${version}, and ONNX Runtime ${runtimeVersion}`;
    return { ...about, state: 'missing', detail: other, remedy: again };
  }
  return { ...about, state: 'ok', detail };
}

/** One finding for all libraries that were found, and one for those that lack in the same way. */
function cudaLibraryFindings(facts: MachineFacts): Finding[] {
  const { libraries } = facts;
  const major = cudaMajor(libraryOf(facts));
  const lacking = libraries.filter(({ found }) => found === null);
  const needed = lacking.filter(isNeeded);
  const other = needed.filter(({ wrongMajor }) => wrongMajor !== undefined);
  const damaged = needed.filter((library) => library.damaged !== undefined);
  const nowhere = needed.filter((library) => library.wrongMajor === undefined && library.damaged === undefined);
  const optional = lacking.filter((library) => !isNeeded(library));
  const found = libraries.flatMap((library) => library.found ?? []);
  const findings: (Finding | null)[] = [
    found.length === 0 ? null : { id: 'cuda-libraries', title: 'CUDA libraries', state: 'ok', detail: byFolder(found) },
    lack('cuda-libraries-missing', nowhere, 'missing', (names) => `${names} not found`, major),
    lack(
      'cuda-libraries-other',
      other,
      'missing',
      (names) =>
        `${names} not found; there is ${other.map(({ wrongMajor }) => wrongMajor).join(', ')}, for another CUDA`,
      major,
    ),
    lack(
      'cuda-libraries-damaged',
      damaged,
      'missing',
      (names) => `${names} damaged or may not be read: ${damaged.map((library) => library.damaged).join(', ')}`,
      major,
    ),
    lack(
      'cuda-libraries-optional',
      optional,
      'warning',
      (names) => `${names} not found; some kernels need ${optional.length === 1 ? 'it' : 'them'}`,
      major,
    ),
  ];
  return findings.filter((finding) => finding !== null);
}

function lack(
  id: string,
  libraries: readonly CudaLibrary[],
  state: Finding['state'],
  say: (names: string) => string,
  major: number,
): Finding | null {
  if (libraries.length === 0) return null;
  const names = `${libraries.map(({ name }) => name).join(', ')} ${libraries.length === 1 ? 'is' : 'are'}`;
  return { id, title: 'CUDA libraries', state, detail: say(names), remedy: install(libraries, major) };
}

/** Convolutions go to cuDNN; Fourier transforms and what cuDNN compiles while running can be done without. */
function isNeeded({ name, linked }: CudaLibrary): boolean {
  return linked || name.startsWith('libcudnn');
}

/** Python packages that bring the libraries, by what their names begin with. */
const packages: readonly [string, string][] = [
  ['libcudart.', 'nvidia-cuda-runtime'],
  ['libcublas', 'nvidia-cublas'],
  ['libcurand.', 'nvidia-curand'],
  ['libcufft.', 'nvidia-cufft'],
  ['libnvrtc', 'nvidia-cuda-nvrtc'],
  ['libnvJitLink.', 'nvidia-nvjitlink'],
  ['libcudnn', 'nvidia-cudnn'],
];

/** Packages carry the major of their library; those for CUDA 12, and cuDNN's, have CUDA's in their name. */
function install(libraries: readonly CudaLibrary[], major: number): string {
  const wanted = libraries.flatMap(({ name }) => {
    const found = packages.find(([beginning]) => name.startsWith(beginning))?.[1];
    if (found === undefined) return [];
    const suffix = major < 13 || found === 'nvidia-cudnn' ? `-cu${major}` : '';
    const version = /\.so\.(\d+)/.exec(name)?.[1];
    return [`'${found}${suffix}${version === undefined ? '' : `==${version}.*`}'`];
  });
  return `python3 -m pip install ${[...new Set(wanted)].join(' ')}`;
}

function byFolder(paths: readonly string[]): string {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    const cut = path.lastIndexOf('/');
    const names = folders.get(path.slice(0, cut)) ?? [];
    folders.set(path.slice(0, cut), [...names, path.slice(cut + 1)]);
  }
  return [...folders].map(([folder, names]) => `${names.join(', ')} in ${folder}`).join('; ');
}

function cards(facts: MachineFacts): Finding[] {
  const { cards: found, visible } = facts;
  if (found.driver === null) return [];
  if (found.cards.length === 0) {
    const hidden =
      visible === undefined || found.problem ? undefined : `CUDA_VISIBLE_DEVICES=${visible} leaves no card`;
    const detail = hidden ?? found.problem ?? 'the driver lists no card';
    const remedy = hidden ? 'unset CUDA_VISIBLE_DEVICES' : 'in a container, start it with --gpus all';
    return [{ id: 'cuda-cards', title: 'Cards', state: 'missing', detail, remedy }];
  }
  const judged = found.cards.map((card) => judgeCard(card, libraryOf(facts)));
  const works = judged.some(({ state }) => state === 'ok');
  return judged.map((finding) => (works && finding.state === 'missing' ? { ...finding, state: 'warning' } : finding));
}

function judgeCard(card: NvidiaCard, library: NvidiaLibrary | null): Finding {
  const about = { id: `cuda-card-${card.index}`, title: `cuda:${card.index}` };
  const detail = describeCard(card);
  if (card.migMode && card.slices.length === 0) {
    const remedy = 'sudo nvidia-smi -mig 0, or make slices with: sudo nvidia-smi mig -cgi 0 -C';
    return { ...about, state: 'missing', detail: `${detail}, is cut into slices (MIG), and there are none`, remedy };
  }
  if (library && card.computeCapability && !runsOn(library, card.computeCapability)) {
    return {
      ...about,
      state: 'missing',
      detail: `${detail}: the CUDA provider has no code for it`,
      remedy: 'use webgpu:0',
    };
  }
  return { ...about, state: 'ok', detail };
}

function describeCard({ name, computeCapability, memoryBytes, pcieGeneration, pcieWidth }: NvidiaCard): string {
  const parts = [
    name,
    computeCapability ? `compute capability ${computeCapability.join('.')}` : 'compute capability not known',
    memoryBytes === null ? 'memory not known' : formatBytes(memoryBytes),
    ...(pcieGeneration === null || pcieWidth === null ? [] : [`PCIe ${pcieGeneration} x${pcieWidth}`]),
  ];
  return parts.join(', ');
}

/** Registered memory is copied faster; without it copies work all the same. */
function lockedMemory({ limits, store, cards }: MachineFacts): Finding[] {
  if (!limits || !store || cards.cards.length === 0) return [];
  const about = { id: 'cuda-locked-memory', title: 'Locked memory' };
  if (limits.lockedBytes >= store.bytes) {
    const most = limits.lockedBytes === Infinity ? 'any memory' : formatBytes(limits.lockedBytes);
    return [{ ...about, state: 'ok', detail: `${most} may be locked` }];
  }
  const detail = `${formatBytes(limits.lockedBytes)} may be locked, ${store.of} takes ${formatBytes(store.bytes)}; copies may be slower`;
  return [{ ...about, state: 'info', detail, remedy: 'ulimit -l unlimited, or in a container --ulimit memlock=-1' }];
}

function webgpu({ platform, arch, vulkan }: MachineFacts): Finding {
  const about = { id: 'webgpu-vulkan', title: 'Vulkan' };
  if (platform !== 'linux') {
    return { ...about, title: 'WebGPU', state: 'ok', detail: 'the system brings what it needs' };
  }
  if (arch !== 'x64') {
    const detail = `ONNX Runtime has no WebGPU provider for Linux on ${arch}`;
    return { ...about, title: 'WebGPU', state: 'missing', detail, remedy: 'use CPU devices' };
  }
  const { loader, drivers } = vulkan;
  const lacks = [...(loader ? [] : ['its loader libvulkan.so.1']), ...(drivers.length > 0 ? [] : ['a driver file'])];
  if (lacks.length === 0) return { ...about, state: 'ok', detail: `${loader}, drivers ${drivers.join(', ')}` };
  const detail = `Vulkan lacks ${lacks.join(' and ')}`;
  const remedy = "sudo apt-get install libvulkan1 mesa-vulkan-drivers; NVIDIA's driver brings its own";
  return { ...about, state: 'missing', detail, remedy };
}
