import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRunConfig } from '../contract/runConfig.ts';
import { readSafetensors } from '../export/safetensors.ts';
import { createSwin } from '../families/swin/model.ts';
import { createViT } from '../families/vit/model.ts';
import { cpuDevices, newHome, openLab } from '../testing/lab.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

const square = (extent: number): [number, number] => [extent, extent];
const images = { image: square(28), channels: 1, classes: 10 };
const swin = { family: 'swin', patch: 4, window: 3, embed: 8, depths: [1, 2], heads: [2, 4], mlpRatio: 2 };
const vit = { family: 'vit', patch: 7, hidden: 16, mlp: 24, layers: 3, heads: 4 };
const models = {
  swin: { config: swin, model: createSwin({ ...swin, ...images, patch: square(4), window: square(3) }) },
  vit: { config: vit, model: createViT({ ...vit, ...images }) },
};

it.each([
  { family: 'swin', granularity: 'block', masking: 'forward' },
  { family: 'swin', granularity: 'neuron', masking: 'backward' },
  { family: 'vit', granularity: 'block', masking: 'backward' },
  { family: 'vit', granularity: 'neuron', masking: 'forward' },
] as const)('$family trains by $granularity-$masking and exports', async ({ family, ...regime }) => {
  const { config: model, model: definition } = models[family];
  const lab = await openLab(home);
  const config = parseRunConfig({
    model,
    data: { dataset: 'digits' },
    devices: cpuDevices(2),
    subnetworks: { workers: 4, coverage: 2, ...regime },
    training: { steps: 4, batch: 32, optimizer: 'adamw', learningRate: 0.003, clipGlobalNorm: 1 },
    evaluation: { batch: 64 },
  });
  const runId = await lab.app.start(config);
  const summary = await lab.app.whenEnded(runId);
  expect([summary.state, summary.reason, summary.step]).toEqual(['done', '', 4]);
  for (const format of ['safetensors', 'onnx'] as const) {
    const { check, files } = await lab.app.export(runId, format, {});
    expect(check.maxRelativeError).toBeLessThan(1e-4);
    const names = [`model.${format}`, 'labels.txt', 'preprocessor_config.json'];
    const folder = new RunFolder(lab.home, runId);
    expect(files).toEqual(names.map((name) => folder.file(`exports/step-00000004/${name}`)));
    if (format === 'onnx') continue;
    const { tensors, constants } = definition;
    const exported = await readSafetensors(files[0]!);
    expect([...exported.tensors.keys()].sort()).toEqual([...tensors, ...constants].map(({ name }) => name).sort());
    if (family !== 'swin') continue;
    const index = exported.tensors.get('features.1.0.attn.relative_position_index')!;
    expect([index.dtype, index.shape]).toEqual(['I64', [81]]);
  }
  await lab.close();
});
