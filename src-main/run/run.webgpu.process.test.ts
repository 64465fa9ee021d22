// A whole run with devices of two kinds: steps, re-estimated statistics, evaluation, export.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import { newHome, openLab, smallConfig } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** With the stem that pools, which the reference cases have not. */
function config(second: string): RunConfig {
  const small = smallConfig({ devices: ['cpu:0', second] });
  return parseRunConfig({ ...small, model: { ...small.model, stem: 'imagenet' } });
}

it.skipIf(!softwareVulkan)(
  `a CPU and a WebGPU device train together ${onSoftwareVulkan}`,
  async () => {
    for (const [name, value] of Object.entries(softwareVulkan!)) vi.stubEnv(name, value);
    const lab = await openLab(home);
    const results = [];
    for (const second of ['cpu:1', 'webgpu:0']) {
      const runId = await lab.app.start(config(second));
      const { state, reason, accuracy } = await lab.app.whenEnded(runId);
      expect([state, reason]).toEqual(['done', '']);
      const { tensors } = await readSafetensors(
        join(new RunFolder(home, runId).checkpointPath(6), 'values.safetensors'),
      );
      results.push({ accuracy, parameter: asFloat32(tensors.get('layer1.0.conv1.weight')!) });
      expect((await lab.app.export(runId, 'onnx', {})).check.maxRelativeError).toBeLessThan(1e-3);
    }
    const [alone, mixed] = results;
    expect(mixed!.accuracy).toBeCloseTo(alone!.accuracy!, 2);
    const difference = mixed!.parameter.map((x, i) => Math.abs(x - alone!.parameter[i]!));
    expect(Math.max(...difference)).toBeLessThan(1e-3 * Math.max(...alone!.parameter.map(Math.abs)));
    expect(difference.some((x) => x > 0)).toBe(true);
    await lab.close();
  },
  300_000,
);
