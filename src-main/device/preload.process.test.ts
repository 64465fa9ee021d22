// What a device process says where a library that CUDA devices need cannot be loaded: the provider and the library are made-up files, the
// process is a real one over a made-up package of ONNX Runtime.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/graph.ts';
import { toOnnx } from '../graph/onnx.ts';
import { mul } from '../graph/ops/elementwise.ts';
import { toolkit, writeLibraries, writeProvider } from '../testing/cudaMachine.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';
import { cudaLibraries } from './cudaLibraries.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-preload-'));
});
afterAll(() => rm(folder, { recursive: true }));

it.runIf(process.platform === 'linux')('names the library and gives the reason of the loader', async () => {
  const runtime = await writeProvider(join(folder, 'app'));
  await cp(runtimeLibrary(), runtime);
  await writeLibraries(join(folder, 'data/cuda'), toolkit(13));
  const machine = { root: folder, env: { LD_LIBRARY_PATH: '/data/cuda' } };
  const { preload } = await cudaLibraries(runtime, machine);
  const g = new GraphBuilder('probe');
  g.output('y', mul(g, g.input('x', 'float32', [1]), g.scalar(2)));
  const script = `
    const addon = require(${JSON.stringify(join(import.meta.dirname, '../../native/binding/sdp.node'))});
    const onnx = Buffer.from(${JSON.stringify(Buffer.from(toOnnx(g.build())).toString('base64'))}, 'base64');
    addon.probeDevice(${JSON.stringify(runtime)}, 'cuda', 0, onnx, ${JSON.stringify(preload)}).catch((error) => console.log(error.message));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  const first = join(folder, 'data/cuda/libcublasLt.so.13');
  expect(preload[0]).toBe(first);
  expect(stdout.trim()).toMatch(/^device: \S+libcublasLt\.so\.13, which CUDA devices need, cannot be loaded: .{10,}$/);
});
