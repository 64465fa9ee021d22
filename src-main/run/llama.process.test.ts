// A language model through the whole app: real text as bytes, real device processes, perplexity, resume, exports.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRunConfig } from '../contract/runConfig.ts';
import { builtWorker, cpuDevices, importText, openLab } from '../testing/lab.ts';
import { prepareFromHome } from '../fleet/openFleet.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sdp-llama-'));
  await importText(home);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const host = () => ({ home, spawnDevice: builtWorker() });

const configOf = (overrides: { model?: object; subnetworks?: object; devices?: number }) =>
  parseRunConfig({
    name: 'small',
    model: { family: 'llama', hidden: 32, ff: 48, layers: 2, heads: 4, kvHeads: 2, seq: 32, ...overrides.model },
    data: { dataset: 'text' },
    devices: cpuDevices(overrides.devices ?? 1),
    subnetworks: { workers: 4, coverage: 2, ...overrides.subnetworks },
    training: { steps: 12, batch: 16, optimizer: 'adamw', learningRate: 0.01, weightDecay: 0.1 },
    evaluation: { samples: 10 },
  });

async function runToEnd(config: ReturnType<typeof configOf>) {
  const lab = await openLab(home);
  const runId = await lab.app.start(config);
  const summary = await lab.app.whenEnded(runId);
  return { lab, runId, summary, folder: new RunFolder(home, runId) };
}

describe.each(['block', 'neuron'] as const)('%s granularity', (granularity) => {
  it.each(['forward', 'backward'] as const)('learns with %s masking, alike on one and two devices', async (masking) => {
    const results = [];
    for (const devices of [1, 2]) {
      const { summary, folder } = await runToEnd(configOf({ subnetworks: { granularity, masking }, devices }));
      expect([summary.state, summary.reason]).toEqual(['done', '']);
      const values = await readFile(join(folder.checkpointPath(12), 'values.safetensors'));
      results.push({ values, perplexity: summary.perplexity });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0]!.perplexity).toBeLessThan(100);
  });
});

it('trains where workers hold no unit of a group, and exports what the engine computes', async () => {
  const config = configOf({ model: { kvHeads: 1, tied: true }, subnetworks: { granularity: 'neuron', coverage: 1 } });
  const { lab, runId, summary } = await runToEnd(config);
  expect(summary).toMatchObject({ state: 'done', step: 12 });
  const record = await lab.app.evaluate(runId);
  expect(record.perplexity).toBeCloseTo(Math.exp(record.loss!), 10);
  expect([record.samples, record.perplexity]).toEqual([10, summary.perplexity]);
  const out = join(home, 'exported');
  const files = await lab.app.export(runId, 'safetensors', { out });
  expect(files.files).toEqual([join(out, 'model.safetensors'), join(out, 'config.json')]);
  const onnx = await lab.app.export(runId, 'onnx', { out });
  const cached = await lab.app.export(runId, 'onnx', { out: join(home, 'cached'), withPast: true });
  expect(cached.files.map((file) => basename(file))).toEqual(['model.onnx', 'config.json']);
  for (const { check } of [files, onnx, cached]) expect(check.maxRelativeError).toBeLessThan(1e-5);
  await expect(lab.app.export(runId, 'onnx', { withPreprocessing: true })).rejects.toThrow(
    '--with-preprocessing is for models of images in the format onnx only; leave it out',
  );
});

describe('a configuration that the data does not fit', () => {
  it.each([
    [{ vocab: 100 }, /^model\.vocab is 100, but .*text\.bin has token \d+ at position \d+ \(from 0\)$/],
    [{ seq: 5000 }, /^model\.seq must leave a whole sequence in each split of text \(\d+ and \d+ tokens\), got 5000$/],
  ])('%o is refused', async (model, message) => {
    await expect(prepareFromHome(host(), configOf({ model }))).rejects.toThrow(message);
  });

  it('a model of images is refused', async () => {
    const config = {
      ...configOf({}),
      model: parseRunConfig({ model: { family: 'resnet' }, data: { dataset: 'x' } }).model,
    };
    await expect(prepareFromHome(host(), config)).rejects.toThrow(
      'model.family resnet reads images, but dataset text holds tokens',
    );
  });
});
