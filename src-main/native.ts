// The Rust addon, typed. The only file that loads it; only worker/, run/, data/ and device/ import this file.
//
// Shapes and units: sizes of tensors in scalars (float32), memory in bytes, times in milliseconds. Everything big stays in Rust: paths,
// offsets and handles cross, tensors do not. The addon puts a code of contract/errors.ts in front of its messages ("storage: ..."); what is
// called through here throws them as UserErrors. Handles have an idempotent close(); use after close is an error.

import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError, type ErrorCode } from './contract/errors.ts';
import { quietEnvironment } from './contract/quiet.ts';
import type { DeviceRecords } from './contract/steps.ts';

/** Optimizer with PyTorch's semantics; weight decay applies where a tensor `decays`. */
export interface OptimizerSpec {
  kind: 'sgd' | 'adamw';
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
  beta1: number;
  beta2: number;
  eps: number;
  /** Clip the averaged gradient to this global L2 norm as clip_grad_norm_ does; 0: no clipping. */
  clipGlobalNorm: number;
}

/** Where micro-batches come from. */
export interface BatchSource {
  /** `images`, `tokens`: arrays of a data folder; `case`: batches.safetensors of a reference case (`step{t}.worker{w}.input` and `.label`). */
  kind: 'images' | 'tokens' | 'case';
  /** Folder of the split (labels.npy: int64 [n], and images.npy: uint8 [n,C,H,W], or index.npy and shards; tokens.npy: uint16 or uint32 [n]) or the safetensors file. */
  path: string;
  /** Images, per channel: input = (pixel / 255 - mean) / std. Empty for others. */
  mean: number[];
  std: number[];
  /** Seed of the sampling order: a permutation per epoch, keyed by (seed, epoch); the last incomplete global batch of an epoch is left out. */
  seed: number;
  numWorkers: number;
  /** Samples that a worker runs at once. */
  microBatch: number;
  /** Micro-batches of a worker and step; 1 for a case. */
  accumulation: number;
  /** Tokens: length T of a sample, which is the tokens [iT, iT + T) with the tokens one further as labels. 0 for others. */
  sequence: number;
  /** What images become that the dataset keeps as files; absent: it has an array of them. Augmentation has a size of its own. */
  encoded?: { channels: number; height: number; width: number; resize: 'crop' | 'stretch' | 'pad' } | undefined;
  /** What is done to images; absent: nothing, they have the size that the graph reads. */
  augmentation?: Augmentation | undefined;
}

/** Changes of images between the dataset and the model, drawn by (seed, epoch, sample); see native/data/src/augment.rs. 0 leaves one out. */
export interface Augmentation {
  /** Of what the graph reads. */
  height: number;
  width: number;
  /** Shorter side in evaluation, before the centre crop. */
  evaluationResize: number;
  /** Least share of the area of a random resized crop; padding in pixels of a random crop; probability of a flip. */
  resizedCrop: number;
  cropPadding: number;
  flip: number;
  /** Largest change of a factor; of hue the share of its circle. */
  brightness: number;
  contrast: number;
  saturation: number;
  hue: number;
  /** Operations, and their magnitude of 30. */
  randAugment: number;
  magnitude: number;
  /** Alpha of Beta distributions; the partner is the next sample of the epoch's order. Labels become shares of `classes`. */
  mixup: number;
  cutmix: number;
  labelSmoothing: number;
  classes: number;
}

/** Initial content of one tensor, library layout, drawn from a generator keyed by (seed, tensor index): independent of layout and masks. */
export interface InitSpec {
  kind: 'constant' | 'normal' | 'uniform';
  /** The constant, the standard deviation, or the bound. */
  value: number;
}

/** Row-major; an empty shape is a scalar. */
export interface Int64Tensor {
  name: string;
  shape: number[];
  values: number[];
}

export interface SessionInput {
  /** Name of the graph input. */
  port: string;
  /** Shape in the graph. */
  shape: number[];
  /**
   * `slab`: what the micro-batch before has left at `offset` of the worker's slab; for the first of a step 0 (parameters) or the store's
   * values (buffers). `draw`: random factors.
   */
  source: 'input' | 'label' | 'values' | 'statistics' | 'slab' | 'draw';
  /** Index into StoreLayout.tensors for `values`, `slab` and `statistics` (the evaluation copy of the buffers; buffers only). */
  tensor?: number;
  /** Rows that the graph wants, ascending; absent: all. Contiguous rows are bound in place, others gathered before each run. */
  rows?: readonly number[];
  offset?: number;
  /** Each scalar is 0 with the probability `drop`, else 1 / (1 - drop); a function of `index`, seed, step, worker and sample alone. */
  draw?: { index: number; drop: number };
}

export interface SessionOutput {
  port: string;
  shape: number[];
  /** `slab`: the slab of the session's worker at `offset`; `loss`: scalar or [L] for L labels; `logits`: [L,K]; `statistics`: the row of the current statistics batch, at the offset of `tensor`; `none`: nobody reads it. */
  target: 'slab' | 'loss' | 'logits' | 'statistics' | 'none';
  offset?: number;
  tensor?: number;
}

export interface SessionSpec {
  onnx: Uint8Array;
  /** Logical worker for training sessions, -1 for full-network ones. */
  worker: number;
  batch: number;
  inputs: SessionInput[];
  outputs: SessionOutput[];
}

export interface DeviceOptions {
  /** Absolute path of the ONNX Runtime library (`libonnxruntime.so.1` beside onnxruntime-node's binding). */
  runtimeLibrary: string;
  storePath: string;
  /** Index of this process among the participants. */
  participant: number;
  kind: 'cpu' | 'webgpu' | 'cuda';
  index: number;
  /** Intra-op threads of each session on a CPU device; also used for averaging and the optimizer. */
  threads: number;
  /**
   * Whether graphs may have the operators of the domains `sdp.cudnn` (native/core/src/cudnn/), which CUDA devices run with cuDNN, and
   * `sdp.copies` (publish.rs), which sends gradients up as they are finished. Default: false.
   */
  customOps?: boolean;
  /** How what a session has bound gets to a CUDA device and back: in few large pieces beside everything else (the default), or tensor by tensor. */
  copies?: 'large' | 'each';
  /** The runtime's profiles go to files whose paths begin so, one for each graph; `endProfiles` completes them. */
  profile?: string;
  /** Absolute paths of libraries that a CUDA device loads before ONNX Runtime's provider, in this order (device/cudaLibraries.ts). */
  preload: string[];
}

export interface TrainSpec {
  /** Session ids of the logical workers of this device, ascending by worker. */
  sessions: number[];
  /** Steps [from, to). */
  from: number;
  to: number;
  /** One per step. */
  learningRates: number[];
  optimizer: OptimizerSpec;
  /** With accumulation above 1 the sessions' gradients are sums (`slab` inputs), of which the mean is taken at the end of a step. */
  source: BatchSource;
}

/** What is not finite in a step, of what all participants report the first by kind, worker and tensor. */
export interface Fault {
  /** `parameter`: a parameter, or the optimizer's state of it, as the update would leave it. */
  kind: 'loss' | 'gradient' | 'statistic' | 'parameter';
  /** Absent for `parameter`. */
  worker?: number | null;
  /** Absent for `loss`. */
  tensor?: string | null;
}

export interface TrainResult {
  /** Next step to do: `to`, or earlier where a stop was requested. All participants return the same. */
  step: number;
  stopped: boolean;
  /** Why `step` was not done: the store is as it was before it. */
  fault?: Fault | null;
}

/** Step records since the last drain; one row per step and logical worker of this device. */
export interface StepRecords extends DeviceRecords {
  /** In copies between host and device, or waiting for them; part of computeMs, but for what was begun in syncMs of the step before. 0 on the CPU. */
  copyMs: number[];
}

export interface EvaluateSpec {
  /** Full-network session with evaluation graph, and the statistics session with the source of its training batches (absent: no re-estimation, the store's own buffers). */
  session: number;
  statistics?: { session: number; batches: number; source: BatchSource };
  /** Samples [0, samples) of the source, in order; the last batch may be partial (labels -1 beyond). */
  source: BatchSource;
  samples: number;
}

export interface EvaluateResult {
  /** Sum of losses and number of right answers over all labels, summed in batch order: the same for any number of devices. */
  lossSum: number;
  correct: number;
  samples: number;
  labels: number;
}

/** Bytes of this process by category; measured, not predicted. `resident` is that of the whole process, `shared` what of the store it maps. */
export interface MemorySample {
  residentBytes: number;
  peakResidentBytes: number;
  sharedBytes: number;
  /** What of the store's values (and of rows copied together), of all slabs, and of the optimizer's state this process has used since its last call began. */
  valuesBytes: number;
  gradientsBytes: number;
  optimizerBytes: number;
  /** Largest size since then of the arena that the sessions share for what they compute; 0 on systems where each has one of the runtime's own. */
  arenaPeakBytes: number;
}

/** How copies between host and device go. */
export interface CopyReport {
  /** In large pieces; else tensor by tensor, or not at all. */
  large: boolean;
  /** Host memory that is pinned for them. */
  pinnedBytes: number;
  /** Why they do not go in large pieces though they were to, or why memory was left unpinned: slower, and nothing else. */
  refusal?: string;
}

/** Norms of the gradients of one step by row (what the caller puts together); defined in native/core/src/norms.rs. */
export interface GradientNorms {
  /** Steps done with the one that was measured. */
  step: number;
  /** Norm of what each worker has published of a row, 0 where it holds nothing of it; row-major [rows, workers]. */
  holders: number[];
  /** By row: norm of the averaged gradient before clipping, and how far the holders are from it. */
  mean: number[];
  disagreement: number[];
}

/** How far a participant is. */
export interface Progress {
  /** Rises with everything that it gets done: calls, micro-batches, barriers. */
  beats: number;
  /** Whether it waits for others. */
  waiting: boolean;
}

/** Owned by the main process: creates and removes the mapping, reads and writes whole states. */
export interface NativeStore {
  /** Draws initial parameters; `inits` by tensor index. Fails with `cancelled` where the store is closed meanwhile. */
  initialise(inits: InitSpec[], seed: number): Promise<void>;
  /** Fills values from a safetensors file in library layout; every tensor of the layout must be there with its shape, others are ignored. `digest`: what writing it has returned; absent: it is not known. */
  readValues(path: string, digest?: string): Promise<void>;
  /** Parameters and buffers in library layout; `scales` multiplies whole tensors; `statistics`: buffers as last re-estimated instead of the running ones. `int64`: what else the file carries. `tensors`: only these; absent: all. Returns the digest of the file (BLAKE3, hexadecimal). */
  writeValues(
    path: string,
    options: {
      scales: Record<string, number>;
      statistics: boolean;
      int64: Int64Tensor[];
      metadata: Record<string, string>;
      tensors?: string[];
    },
  ): Promise<string>;
  /** Averaged gradient of the last step, before clipping, in library layout. Call while no step runs. */
  writeGradients(path: string): Promise<string>;
  /** Optimizer state, `<slot>/<parameter>` with slot `momentum`, or `exp_avg` and `exp_avg_sq`. */
  writeOptimizer(path: string): Promise<string>;
  readOptimizer(path: string, digest?: string): Promise<void>;
  /** The running train() of every participant ends after the current step. Cleared by `clearStop`. */
  requestStop(): void;
  clearStop(): void;
  /** How far each participant is. */
  progress(): Progress[];
  /** Steps whose update is done since the store was made; null while one is in progress, and for good where a participant was lost in it. */
  updates(): number | null;
  /** The gradients of a step to come are measured; those of the last step of a train() are in any case. */
  requestNorms(): void;
  /** What was last measured; null before that, and in the moment in which it is done. `rows[t]`: row of tensor t, of `count`. */
  gradientNorms(rows: number[], count: number): GradientNorms | null;
  /** A participant was lost: every barrier fails at once with `reason` in place of waiting. */
  abort(reason: string): void;
  /** Removes the file at once; resolves when it is unmapped, once no call is in progress any more. */
  close(): Promise<void>;
}

/** One device process: ONNX Runtime sessions over the shared store. All methods but close run on a thread of their own. */
export interface NativeDevice {
  /** As every call that begins something, gives back what the last training or evaluation has used. */
  addSession(spec: SessionSpec): Promise<number>;
  removeSession(id: number): Promise<void>;
  train(spec: TrainSpec): Promise<TrainResult>;
  drainRecords(): StepRecords;
  evaluate(spec: EvaluateSpec): Promise<EvaluateResult>;
  /** Logits of samples [0, count) of the source under the statistics of the last evaluate (running ones if `session` binds values); row-major [L, K] with the labels of these samples. */
  logits(session: number, source: BatchSource, count: number): Promise<Float32Array>;
  memory(): MemorySample;
  /**
   * What the runtime has counted of the device's memory by the end of the last call, in bytes and numbers by its own names (InUse, MaxInUse,
   * TotalAllocated, NumAllocs, ...), summed over the graphs. Empty on the CPU, whose sessions share an arena (`memory`).
   */
  allocatorStatistics(): Record<string, number>;
  /** Graphs that the runtime has: sessions of equal ones share one. */
  numGraphs(): number;
  copyReport(): CopyReport;
  /** Ends the profiles of all graphs and gives their files; none where `profile` was not given, or a second time. */
  endProfiles(): Promise<string[]>;
  close(): void;
}

/** A graph to time, on the same provider options and with the same checks as a training session. */
export interface TimeGraphOptions {
  runtimeLibrary: string;
  /** Absolute paths of shared libraries to load before the provider is registered. */
  preload: string[];
  kind: DeviceOptions['kind'];
  index: number;
  threads: number;
  /** As `DeviceOptions.customOps`. */
  customOps: boolean;
  /** Inputs of fixed shape, float32 (standard normal numbers drawn by `seed`) or int64 (zeros); outputs float32. */
  onnx: Uint8Array;
  warmUps: number;
  repeats: number;
  seed: number;
}

export interface GraphTiming {
  /** One per repeat, at least three, but no more once they took a second; inputs and outputs stay on the device. On WebGPU reading the smallest output back is counted in, since nothing else waits for a run. */
  ms: number[];
  /** After the last run, in the graph's order. */
  outputs: Float32Array[];
}

/** How far an import is: samples, or of text bytes. */
export interface ImportProgress {
  done: number;
  /** 0 while it is not known. */
  total: number;
  skipped: number;
  isText: boolean;
}

export interface NativeImport {
  /** Once; what the manifest takes from the import, as JSON. */
  run(): Promise<string>;
  progress(): ImportProgress;
  /** `run` fails soon with `cancelled`. */
  cancel(): void;
}

export interface NativeTokenizer {
  encode(text: string): number[];
  /** Bytes that are no text become U+FFFD. */
  decode(tokens: number[]): string;
  /** The token that ends a document, and how it is written; null where the tokenizer has none. */
  end(): { token: number; text: string } | null;
  /** As a tokenizer.json of exactly these tokens, which adds none of its own. */
  exported(): string;
}

/** `null`: the driver or the card does not tell. */
export interface NvidiaCards {
  driver: string | null;
  /** Newest version of CUDA that the driver knows, such as `13.0`. */
  cudaVersion: string | null;
  cards: NvidiaCard[];
  /** Why there are no cards, or not all; a sentence without its full stop. */
  problem: string | null;
}

export interface NvidiaCard {
  /** In PCI order, which device processes are told to use as well. */
  index: number;
  uuid: string | null;
  name: string;
  memoryBytes: number | null;
  usedBytes: number | null;
  /** Share of the last moments in which it computed. */
  utilisation: number | null;
  /** Major and minor. */
  computeCapability: [number, number] | null;
  pcieGeneration: number | null;
  pcieWidth: number | null;
  /** Those that compute. */
  processes: { pid: number; usedBytes: number | null }[];
  /** Whether it is cut into slices; null where it cannot be. */
  migMode: boolean | null;
  slices: { uuid: string | null; name: string; memoryBytes: number | null }[];
}

/** A shared library of Linux; the second half is empty where only its links were read. */
export interface NvidiaLibrary {
  soname?: string;
  /** Names of libraries that it is linked against. */
  needed: string[];
  /** Folders where it looks for them; `$ORIGIN` is its own. */
  runpath: string[];
  /** Of ONNX Runtime and its providers. */
  version?: string;
  /** Names of NVIDIA's libraries that it opens when it uses them. */
  opened: string[];
  /** Compute capabilities that it has code for, as `9.0`, `9.0a` (bound to exactly this one) or `12.0f` (bound to its family). */
  architectures: string[];
  /** Whether it has code that drivers compile for other cards. */
  hasPtx: boolean;
}

export interface NativeHold {
  close(): void;
}

export interface NativeFingerprint {
  /** Reads all data files; fails with `data` where one cannot be read. */
  run(): Promise<string>;
  /** `run` fails soon with `cancelled`. */
  cancel(): void;
}

export interface NativeAddon {
  /** Version of this interface; must equal `nativeVersion`. */
  interfaceVersion(): number;
  /** `layout` is the JSON of a StoreLayout; the file is created (in a memory file system where there is one) and sized; fails with `storage` where space is lacking. */
  createStore(path: string, layout: string): Promise<NativeStore>;
  openDevice(options: DeviceOptions): Promise<NativeDevice>;
  /**
   * Runs a graph (`y` from `x`, both float32 [1]) on a device of this process; the name of its vendor where the system tells it. Fails
   * with a `device` error, or takes the process with it where a driver is broken: to be called in a process made for it.
   */
  probeDevice(
    runtimeLibrary: string,
    kind: 'cpu' | 'webgpu' | 'cuda',
    index: number,
    onnx: Uint8Array,
    preload: string[],
  ): Promise<string | null>;
  /** Runs a graph `warmUps` times, then times `repeats` runs. Takes a session's memory until it is done. */
  timeGraph(options: TimeGraphOptions): Promise<GraphTiming>;
  /**
   * NVIDIA's cards in PCI order, by the driver's management library; that there is no driver is an answer. Waits for a driver that does
   * not answer until `patienceMs` are over (default: 20 s). `library`: in place of the driver's, for tests.
   */
  nvidiaCards(patienceMs?: number, library?: string): Promise<NvidiaCards>;
  /** What a shared library says about itself. `contents` (default: true): also what takes a look through the whole file. */
  readNvidiaLibrary(path: string, contents?: boolean): Promise<NvidiaLibrary>;
  /** The verdict about files as JSON (contract/verdict.ts). `scratch` is a folder that does not exist; it is made where needed, and removed. */
  inspectDataset(paths: string[], options: string, scratch: string): Promise<string>;
  /** An import into `folder`, which messages call `shown`. */
  openImport(paths: string[], options: string, folder: string, shown: string): NativeImport;
  /** For the fingerprint of the dataset in a folder as its bytes are now. */
  openFingerprint(folder: string): NativeFingerprint;
  /** The digest of a file that a store has written, as the file is now. */
  fileDigest(path: string): Promise<string>;
  /** Takes a file for as long as the handle is open and this process lives; it is made where it is missing. Null where it is held, here or elsewhere. */
  holdFile(path: string): NativeHold | null;
  /** Whether anyone holds a file. */
  isHeld(path: string): boolean;
  /** Samples of a source of images as they are evaluated, [n,C,H,W]; `seed`, workers and batches of the source do not matter. */
  readImages(source: BatchSource, samples: number[]): Promise<Float32Array>;
  /** From the content of a tokenizer.json; that of bytes where there is none. */
  openTokenizer(json?: string): Promise<NativeTokenizer>;
  /** From now on `writeLog` and panics of the engine go to this file; see native/core/src/log.rs. */
  openLog(path: string): void;
  /** Adds an entry. Returns whether it is in the file. */
  writeLog(level: 'error' | 'warn' | 'info', text: string): boolean;
  /** CPU model name, physical and logical cores, and total memory of this machine. */
  describeCpu(): { name: string; physicalCores: number; logicalCores: number; memoryBytes: number };
}

export const nativeVersion = 13;

let addon: NativeAddon | undefined;

/** Loads the addon once. Fails with a `device` error that names the remedy where it was not built. */
export function native(): NativeAddon {
  if (addon) return addon;
  // Whoever loads the addon may load the runtime through it.
  Object.assign(process.env, quietEnvironment);
  const path = addonPath();
  const loaded = load(path);
  if (loaded.interfaceVersion() !== nativeVersion)
    throw new UserError(
      'device',
      `the Rust addon is of another version than the app; run "npm run setup" to rebuild it`,
    );
  addon = translated(loaded);
  return addon;
}

function load(path: string): NativeAddon {
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const { message } = error as Error;
    // Building it again does not help against a limit.
    const isLimited = /cannot allocate memory|failed to map|cannot open shared object file: Too many open files/i.test(
      message,
    );
    const remedy = isLimited
      ? 'raise the limit of memory or of open files (ulimit -v, -d, -n)'
      : 'run "npm run setup" to build it for this machine';
    throw new UserError('device', `the Rust addon ${path} cannot be loaded (${message}); ${remedy}`, { cause: error });
  }
}

/** `native/binding/sdp.node`, seen from the sources (src-main/) and from the built app (out/main/ or its chunks). */
function addonPath(): string {
  for (const up of ['..', '../..', '../../..']) {
    const path = join(import.meta.dirname, up, 'native/binding/sdp.node');
    if (existsSync(path)) return path;
  }
  throw new UserError('device', `the Rust addon is not built; run "npm run setup"`);
}

/** The addon or one of its handles, with errors as user errors. */
function translated<T extends object>(target: T): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (...args: unknown[]) => call(target, member as Method, args) : member;
    },
  });
}

type Method = (...args: unknown[]) => unknown;

function call(target: object, method: Method, args: unknown[]): unknown {
  try {
    const result: unknown = Reflect.apply(method, target, args);
    return result instanceof Promise ? result.then(translatedHandle, fail) : translatedHandle(result);
  } catch (error) {
    return fail(error);
  }
}

/** Records and arrays pass as they are; instances of the addon's classes are wrapped. */
function translatedHandle(result: unknown): unknown {
  const isHandle = typeof result === 'object' && result !== null && /^Native/.test(result.constructor.name);
  return isHandle ? translated(result) : result;
}

/** Restores the code that the addon puts in front of its messages, and the file that it puts behind; anything else is thrown as it is. */
function fail(error: unknown): never {
  const coded = /^(configuration|data|device|storage|checkpoint|conflict|cancelled): ([^\0]*)(?:\0([^]*))?$/;
  const match = error instanceof Error ? coded.exec(error.message) : null;
  throw match ? new UserError(match[1] as ErrorCode, match[2]!, { key: match[3] || undefined, cause: error }) : error;
}
