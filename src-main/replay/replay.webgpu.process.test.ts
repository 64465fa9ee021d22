// Reference cases on WebGPU: within 1e-3 of PyTorch, and the same bytes from run to run for any number of device processes.
//
// Software Vulkan is slow where a workgroup waits for itself (LayerNorm, Softmax, ReduceMean), so that a case of Swin takes it a minute. Regimes
// of a family share its kernels, so cases that have all of them run; with SDP_ALL_CASES the others run too.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Node } from '../graph/graph.ts';
import { mapTrainingGraphs } from '../models/sharedGraphs.ts';
import { caseFolder, caseNames, readCase } from '../testing/cases.ts';
import { builtWorker } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { replayCase } from './replay.ts';
import { replayError } from './replayErrors.ts';

const tolerance = 1e-3;
const timeoutMs = 600_000;

/** Workers that skip blocks, and workers that have all of them and differentiate some neurons. */
const usual = caseNames.filter(
  (name) => name.endsWith('-neuron-backward') || (name.endsWith('-block-forward') && !name.startsWith('swin-')),
);
const cases = process.env.SDP_ALL_CASES ? caseNames : usual;

it('the cases that usually run have every kind of node that others have', async () => {
  const kinds = new Map<string, Set<string>>();
  for (const name of caseNames) kinds.set(name, await nodeKinds(name));
  const found = new Set(usual.flatMap((name) => [...kinds.get(name)!]));
  for (const [name, all] of kinds)
    expect(
      [...all].filter((kind) => !found.has(kind)),
      name,
    ).toEqual([]);
});

/** Operators with the element types and ranks of what they read, in the graphs of all workers and of the evaluation. */
async function nodeKinds(name: string): Promise<Set<string>> {
  const { model, masks, batch } = await readCase(name);
  const { granularity, masking } = masks;
  const workers = masks.held.map((held) => ({ batch, held, provider: 'webgpu' as const, granularity, masking }));
  const built = mapTrainingGraphs(model, workers, ({ graph }) => graph);
  const evaluation = model.evaluation({ batch, granularity, branchScale: 1, provider: 'webgpu' });
  const nodes = new Set([...built, evaluation.graph].flatMap((graph) => graph.nodes));
  const kindOf = ({ op, inputs }: Node) =>
    [op.type, ...inputs.map(({ dtype, shape }) => `${dtype}[${shape.length}]`)].join(' ');
  return new Set([...nodes].map(kindOf));
}

describe.skipIf(!softwareVulkan)(`replay ${onSoftwareVulkan}`, () => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(softwareVulkan!)) vi.stubEnv(name, value);
  });

  const outs: string[] = [];
  afterAll(() => Promise.all(outs.map((out) => rm(out, { recursive: true }))));

  const replay = async (name: string, numDevices: number): Promise<string> => {
    const out = await mkdtemp(join(tmpdir(), 'sdp-replay-'));
    outs.push(out);
    await replayCase({
      caseFolder: caseFolder(name),
      out,
      numDevices,
      kind: 'webgpu',
      spawnDevice: builtWorker(),
    });
    return out;
  };

  const repeated = 'resnet-neuron-backward';
  let replayed: Promise<string> | undefined;
  const replayRepeated = () => (replayed ??= replay(repeated, 1));

  it.each(cases)(
    '%s is within 1e-3 of the reference',
    async (name) => {
      const out = await (name === repeated ? replayRepeated() : replay(name, 1));
      const error = await replayError(caseFolder(name), out);
      expect(error!.largest, error!.where).toBeLessThan(tolerance);
    },
    timeoutMs,
  );

  it(
    'gives the same bytes again, in one process or two',
    async () => {
      const replays = [await replayRepeated(), await replay(repeated, 1), await replay(repeated, 2)];
      for (const file of ['grad0.safetensors', 'final.safetensors', 'result.json']) {
        const [first, ...others] = await Promise.all(replays.map((out) => readFile(join(out, file))));
        for (const other of others) expect(other.equals(first!), file).toBe(true);
      }
    },
    timeoutMs,
  );
});
