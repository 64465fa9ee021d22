// Memory knobs and random factors on a device with memory of its own, against the CPU.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import { families, familyConfig, importText, newHome, openLab } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
  await importText(home);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Swin's many shaders take two minutes to compile in software; its operators are in the reference cases. */
const quick = families.filter((family) => family !== 'swin');

it.skipIf(!softwareVulkan).each(quick)(
  `a WebGPU device accumulates, recomputes and drops as the CPU does: %s ${onSoftwareVulkan}`,
  async (family) => {
    for (const [name, value] of Object.entries(softwareVulkan!)) vi.stubEnv(name, value);
    const lab = await openLab(home);
    const training = { steps: 3, accumulation: 2, recompute: 'block', dropout: 0.2, stochasticDepth: 0.5 };
    const results = [];
    for (const device of ['cpu:0', 'webgpu:0']) {
      const runId = await lab.app.start(familyConfig(family, { devices: [device], training }));
      const { state, reason } = await lab.app.whenEnded(runId);
      expect([state, reason]).toEqual(['done', '']);
      const checkpoint = new RunFolder(home, runId).checkpointPath(3);
      results.push((await readSafetensors(join(checkpoint, 'values.safetensors'))).tensors);
    }
    const [cpu, webgpu] = results;
    for (const [name, tensor] of cpu!) {
      const [expected, actual] = [asFloat32(tensor), asFloat32(webgpu!.get(name)!)];
      const difference = Math.max(...expected.map((x, i) => Math.abs(x - actual[i]!)));
      expect(difference, name).toBeLessThan(1e-3 * Math.max(...expected.map(Math.abs)));
    }
    await lab.close();
  },
  300_000,
);
