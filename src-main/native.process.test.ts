// The Rust addon as JavaScript sees it: one tiny model over a real store, errors as user errors, and ends of processes and handles.
// What the engine computes is tested in native/core/tests.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { UserError } from './contract/errors.ts';
import { measuredNames } from './contract/series.ts';
import { GraphBuilder } from './graph/graph.ts';
import { toOnnx } from './graph/onnx.ts';
import { mul } from './graph/ops/elementwise.ts';
import { reshape } from './graph/ops/reshape.ts';
import { reduceMean } from './graph/ops/reduction.ts';
import type { StoreLayout } from './memory/storeLayout.ts';
import {
  native,
  type BatchSource,
  type InitSpec,
  type DeviceOptions,
  type NativeDevice,
  type SessionSpec,
  type TrainSpec,
} from './native.ts';
import { runtimeLibrary } from './runtime/runtimeLibrary.ts';

const folder = mkdtempSync(join(tmpdir(), 'sdp-native-'));
afterAll(() => rmSync(folder, { recursive: true }));

const source: BatchSource = {
  path: folder,
  seed: 1,
  numWorkers: 1,
  microBatch: 2,
  accumulation: 1,
  reads: { kind: 'images', mean: [0], std: [1] },
};
writeFileSync(join(folder, 'images.npy'), npy('|u1', '4, 1, 1, 2', Buffer.alloc(8, 51)));
writeFileSync(join(folder, 'labels.npy'), npy('<i8', '4,', Buffer.alloc(32)));

/** One parameter `w`; loss = w * mean(input), where every pixel is 0.2: each step takes learningRate * 0.2 off `w`. */
const layout: StoreLayout = {
  version: 2,
  numWorkers: 1,
  numParticipants: 1,
  optimizerSlots: [],
  tensors: [
    {
      name: 'w',
      kind: 'parameter',
      shape: [1],
      axis: null,
      offset: 0,
      rows: 1,
      rowSize: 1,
      decays: false,
      spans: [{ row: 0, rows: 1, holders: [0], slabOffsets: [0] }],
    },
  ],
  valuesSize: 16,
  parameterSize: 16,
  slabSizes: [16],
  statisticsBatches: 0,
  evaluationBatches: 0,
};

function graph(name = 'tiny'): Uint8Array {
  const g = new GraphBuilder(name);
  const mean = reduceMean(g, g.input('input', 'float32', [2, 1, 1, 2]), [0, 1, 2, 3], false);
  g.output('loss', mul(g, mean, reshape(g, g.input('w', 'float32', [1]), [])));
  g.output('grad/w', reshape(g, mean, [1]));
  return toOnnx(g.build());
}

const session: SessionSpec = {
  worker: 0,
  batch: 2,
  inputs: [
    { port: 'input', shape: [2, 1, 1, 2], source: 'input' },
    { port: 'w', shape: [1], source: 'values', tensor: 0 },
  ],
  outputs: [
    { port: 'loss', shape: [], target: 'loss' },
    { port: 'grad/w', shape: [1], target: 'slab', offset: 0 },
  ],
};

function training(steps: number): TrainSpec {
  return {
    sessions: [0],
    from: 0,
    to: steps,
    learningRates: new Array<number>(steps).fill(0.5),
    optimizer: { rule: { kind: 'sgd' }, weightDecay: 0, clipGlobalNorm: 0 },
    source,
  };
}

const deviceOptions = (storePath: string): DeviceOptions => ({
  runtimeLibrary: runtimeLibrary(),
  storePath,
  participant: 0,
  kind: 'cpu',
  index: 0,
  threads: 1,
  preload: [],
});

it('trains, records and writes a tiny model while JavaScript goes on', async () => {
  const path = join(folder, 'store');
  const store = await native().createStore(path, JSON.stringify(layout));
  await store.initialise([{ kind: 'constant', value: 1 }], 3);
  const device = await native().openDevice(deviceOptions(path));
  expect(await device.addSession(graph(), session)).toBe(0);
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  expect(await device.train(training(5000))).toEqual({ step: 5000, stopped: false });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
  const records = device.drainRecords();
  expect(Object.keys(records).sort()).toEqual(['step', 'worker', 'copyMs', ...measuredNames].sort());
  const { step, loss, gradNorm, computeMs, copyMs } = records;
  expect(step).toEqual(Array.from({ length: 5000 }, (_, index) => index));
  expect(loss.slice(0, 3).map((x) => x.toFixed(6))).toEqual(['0.200000', '0.180000', '0.160000']);
  expect(gradNorm[0]).toBeCloseTo(0.2);
  expect(Math.min(...computeMs)).toBeGreaterThan(0);
  expect(copyMs).toEqual(step.map(() => 0));
  expect(device.allocatorStatistics()).toEqual({});
  expect(device.copyReport()).toEqual({ large: false, pinnedBytes: 0 });
  expect(await device.endProfiles()).toEqual([]);
  expect(store.gradientNorms([0], 1)).toEqual({
    step: 5000,
    holders: [gradNorm.at(-1)],
    mean: [gradNorm.at(-1)],
    disagreement: [0],
  });
  expect(() => store.gradientNorms([1], 1)).toThrow('rows [1] of 1 for 1 tensors');
  const memory = device.memory();
  expect(memory.arenaPeakBytes).toBeGreaterThan(0);
  expect(memory.residentBytes).toBeGreaterThan(memory.sharedBytes);

  const file = join(folder, 'w.safetensors');
  const count = { name: 'count', shape: [], values: [5] };
  await store.writeValues(file, { ...plain, int64: [count], metadata: { format: 'pt' } });
  const header = readFileSync(file).subarray(8).toString('latin1').split('   ')[0];
  expect(header).toContain('"w":{"data_offsets":[8,12],"dtype":"F32","shape":[1]}');
  device.close();
  device.close();
  await expect(device.train(training(1))).rejects.toThrow('the device is closed');
  await store.close();
  expect(existsSync(path)).toBe(false);
  expect(() => store.requestStop()).toThrow('the store is closed');
});

it('reports what a user can mend as user errors', async () => {
  const code = (error: unknown) => (error instanceof UserError ? error.code : String(error));
  const path = join(folder, 'errors');
  expect(
    await native()
      .createStore(join(folder, 'none', 'store'), JSON.stringify(layout))
      .catch(code),
  ).toBe('storage');
  const store = await native().createStore(path, JSON.stringify(layout));
  expect(await store.readValues(join(folder, 'none')).catch(code)).toBe('checkpoint');
  const options = deviceOptions(path);
  expect(
    await native()
      .openDevice({ ...options, kind: 'cuda' })
      .catch(code),
  ).toBe('device');
  expect(
    await native()
      .openDevice({ ...options, storePath: folder })
      .catch(code),
  ).toBe('storage');
  const device = await native().openDevice(options);
  await device.addSession(graph(), session);
  const spec = training(1);
  expect(await device.train({ ...spec, source: { ...source, path: 'none' } }).catch(code)).toBe('data');
  device.close();
  await store.close();
});

it('writes a profile for each graph', async () => {
  const path = join(folder, 'profiled');
  const store = await native().createStore(path, JSON.stringify(layout));
  const device = await native().openDevice({ ...deviceOptions(path), profile: join(folder, 'profile') });
  expect([await device.addSession(graph(), session), await device.addSession(graph(), session)]).toEqual([0, 1]);
  expect(device.numGraphs()).toBe(1);
  await device.addSession(graph('other'), session);
  expect(device.numGraphs()).toBe(2);
  await device.train(training(3));
  const files = await device.endProfiles();
  expect(files).toEqual([expect.stringContaining('profile-0_'), expect.stringContaining('profile-2_')]);
  const runs = files.map((file) => {
    const events = JSON.parse(readFileSync(file, 'utf8')) as { cat: string; name: string }[];
    return events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time')).length;
  });
  expect(runs).toEqual([expect.any(Number), 0]);
  expect(runs[0]! % 3).toBe(0);
  expect(runs[0]).toBeGreaterThan(0);
  expect(await device.endProfiles()).toEqual([]);
  device.close();
  await store.close();
});

it('takes numbers exactly, and refuses records that are not what Rust declares', async () => {
  const store = await native().createStore(join(folder, 'exact'), JSON.stringify(layout));
  await store.initialise([{ kind: 'constant', value: 1e-30 }], 3);
  const path = join(folder, 'exact.safetensors');
  await store.writeValues(path, { scales: {}, statistics: false, int64: [], metadata: {} });
  expect(readFileSync(path).readFloatLE(readFileSync(path).length - 4)).toBe(Math.fround(1e-30));
  const refused = (init: object) => () => store.initialise([init as never], 3);
  expect(refused({ kind: 'constant', value: NaN })).toThrow('invalid type: null, expected f64');
  expect(refused({ kind: 'cubic', value: 1 })).toThrow('unknown variant `cubic`');
  expect(refused({ kind: 'constant', value: 1, seed: 2 })).toThrow('unknown field `seed`');
  await store.close();
});

it('settles a call in progress when the device is closed', async () => {
  const { device, close } = await openTraining('closing');
  const running = device.train(training(1_000_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  device.close();
  await expect(running).rejects.toThrow('the device was closed');
  await close();
});

it('lets a process end while it trains, with its own exit code', async () => {
  const path = join(folder, 'ending');
  const store = await native().createStore(path, JSON.stringify(layout));
  const script = `
    const addon = require(${JSON.stringify(join(import.meta.dirname, '../native/binding/sdp.node'))});
    addon.openDevice(${JSON.stringify(deviceOptions(path))}).then(async (device) => {
      const onnx = Buffer.from('${Buffer.from(graph()).toString('base64')}', 'base64');
      await device.addSession(onnx, ${JSON.stringify(session)});
      device.train({ ...${JSON.stringify(training(1))}, to: 1e6, learningRates: new Array(1e6).fill(0.1) });
      setTimeout(() => process.exit(7), 100);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([7, null]);
  await store.close();
});

/** JSON of a layout of `count` tensors with 2^20 scalars each. */
function largeLayout(count: number): string {
  const size = 2 ** 20;
  const tensors = Array.from({ length: count }, (_, index) => ({
    ...layout.tensors[0]!,
    name: `w${index}`,
    shape: [size],
    offset: index * size,
    rowSize: size,
    spans: [{ row: 0, rows: 1, holders: [0], slabOffsets: [index * size] }],
  }));
  const all = count * size;
  return JSON.stringify({ ...layout, tensors, valuesSize: all, parameterSize: all, slabSizes: [all] });
}

const normal = (count: number) => new Array<InitSpec>(count).fill({ kind: 'normal', value: 1 });
const plain = { scales: {}, statistics: false, int64: [], metadata: {} };

it('makes, fills and writes a store while JavaScript goes on', async () => {
  let turns = 0;
  let turning = setImmediate(turn);
  function turn() {
    turns += 1;
    turning = setImmediate(turn);
  }
  const turnsDuring = async (work: Promise<unknown>): Promise<number> => {
    const before = turns;
    await work;
    return turns - before;
  };
  const making = native().createStore(join(folder, 'large'), largeLayout(16));
  expect(making).toBeInstanceOf(Promise);
  const store = await making;
  expect(await turnsDuring(store.initialise(normal(16), 3))).toBeGreaterThan(1);
  expect(await turnsDuring(store.writeValues(join(folder, 'large.safetensors'), plain))).toBeGreaterThan(1);
  clearImmediate(turning);
  await store.close();
});

it('a store that is closed while it is filled ends that; one that is closed while it is written is written whole', async () => {
  const path = join(folder, 'closed');
  const filled = await native().createStore(path, largeLayout(16));
  const filling = filled.initialise(normal(16), 3);
  const closing = filled.close();
  expect(existsSync(path)).toBe(false);
  await expect(filling).rejects.toMatchObject({ code: 'cancelled', message: 'the store was closed' });
  await closing;
  await expect(filled.initialise([], 3)).rejects.toThrow('the store is closed');

  const written = await native().createStore(path, largeLayout(16));
  const file = join(folder, 'closed.safetensors');
  const writing = written.writeValues(file, plain);
  await written.close();
  const mapped = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
  expect(mapped.includes(path)).toBe(false);
  expect(await writing).toBe(await native().fileDigest(file));
});

async function openTraining(name: string): Promise<{ device: NativeDevice; close: () => Promise<void> }> {
  const path = join(folder, name);
  const store = await native().createStore(path, JSON.stringify(layout));
  const device = await native().openDevice(deviceOptions(path));
  await device.addSession(graph(), session);
  return { device, close: () => store.close() };
}

function npy(descr: string, shape: string, data: Buffer): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8]);
  return Buffer.concat([start, Buffer.from(header, 'latin1'), data]);
}
