// A whole run with devices of two kinds: steps, re-estimated statistics, evaluation, export.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import type { DeviceProcess } from '../processes/deviceProcess.ts';
import { newHome, nextEvent, openLab, smallConfig } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

const stubVulkan = () => Object.entries(softwareVulkan!).forEach(([name, value]) => vi.stubEnv(name, value));

/** With the stem that pools, which the reference cases have not. */
function config(second: string): RunConfig {
  const small = smallConfig({ devices: ['cpu:0', second] });
  return parseRunConfig({ ...small, model: { ...small.model, stem: 'imagenet' } });
}

it.skipIf(!softwareVulkan)(
  `a CPU and a WebGPU device train together ${onSoftwareVulkan}`,
  async () => {
    stubVulkan();
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

it.skipIf(!softwareVulkan)(
  `devices of another kind take over from one that is lost, where they have the memory ${onSoftwareVulkan}`,
  async () => {
    stubVulkan();
    const latest = new Map<string, DeviceProcess>();
    const lab = await openLab(home, (started, name) => latest.set(name, started));
    const on = (memory: number, ...others: string[]) =>
      smallConfig({ devices: [{ id: 'cpu:0', memory: `${memory} B` }, ...others], training: { steps: 12 } });
    const start = async (memory: number) => {
      const runId = await lab.app.start(on(memory, 'webgpu:0'));
      await nextEvent(lab, 'stepsAppended');
      return runId;
    };
    for (const [victim, other] of [
      ['cpu:0', 'webgpu:0'],
      ['webgpu:0', 'cpu:0'],
    ] as const) {
      const runId = await start(2 ** 33);
      latest.get(victim)!.kill();
      const told = `^device ${victim} \\(process \\d+\\) ended with signal SIGKILL.*; the run goes on from step \\d+ on ${other}$`;
      expect(await lab.app.whenEnded(runId)).toMatchObject({
        state: 'done',
        step: 12,
        warning: expect.stringMatching(told) as string,
      });
      const { devices } = (await new RunFolder(home, runId).readPlan())!;
      expect(devices.map(({ id, workers }) => [id, workers])).toEqual([[other, [0, 1, 2, 3]]]);
    }

    const shared = await lab.app.plan(on(2 ** 33, 'webgpu:0'));
    const memory = shared.devices[0]!.memory.total;
    expect((await lab.app.plan(on(memory))).fits).toBe(false);
    const runId = await start(memory);
    latest.get('webgpu:0')!.kill();
    const why =
      '^device webgpu:0 .* ended with signal SIGKILL.*; cpu:0 cannot take over: cpu:0 needs .* of memory and has ';
    expect(await lab.app.whenEnded(runId)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(why) as string,
    });
    await lab.close();
  },
  300_000,
);
