// Device processes that are killed at random moments, from their start on: the others take over, and parameters, losses and norms are those
// of the undisturbed run.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../contract/runConfig.ts';
import { RunFolder } from '../records/runFolder.ts';
import { cpuDevices, familyConfig, importText, newHome, nextEvent, openLab, type TestLab } from '../testing/lab.ts';
import { randomSource } from '../testing/random.ts';

const training = { steps: 60, clipGlobalNorm: 1 };

/** Parameters, optimizer state, and the lines of losses and norms. */
async function outcomeOf(lab: TestLab, runId: string) {
  const folder = new RunFolder(lab.home, runId);
  const checkpoint = folder.checkpointPath(training.steps);
  const files = ['values.safetensors', 'optimizer.safetensors'].map((name) => readFile(join(checkpoint, name)));
  const lines = (await readFile(folder.file('metrics.jsonl'), 'utf8')).split('\n');
  const told = lines.flatMap((line) => {
    if (!line.startsWith('{"step":')) return [];
    const { step, loss, gradNorm } = JSON.parse(line) as { step: number; loss: number[]; gradNorm: number };
    return [{ step, loss, gradNorm: Math.fround(gradNorm) }];
  });
  expect(told).toHaveLength(training.steps);
  return { files: await Promise.all(files), told };
}

async function undisturbed(lab: TestLab, config: RunConfig) {
  const runId = await lab.app.start(config);
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  return outcomeOf(lab, runId);
}

describe.each([
  ['resnet', 2],
  ['llama', 4],
] as const)('%s on %i devices', (family, numDevices) => {
  it('ends with the very same parameters, losses and norms, whichever devices are killed when', async () => {
    const lab = await openLab(await newHome());
    await importText(lab.home);
    const devices = cpuDevices(numDevices);
    const config = familyConfig(family, { devices, subnetworks: { workers: 4, coverage: 2 }, training });
    const whole = await undisturbed(lab, config);
    const random = randomSource(numDevices);
    for (let round = 0; round < 10; round++) {
      const before = lab.processes.length;
      const runId = await lab.app.start(config);
      const isEarly = round % 5 === 0;
      if (!isEarly) await nextEvent(lab, 'stepsAppended');
      await expect.poll(() => lab.processes.length, { timeout: 20_000, interval: 5 }).toBe(before + numDevices);
      const victims = devices.map((_, index) => index).sort(() => random() - 0.5);
      for (const victim of victims.slice(0, 1 + Math.floor(random() * (numDevices - 1)))) {
        await delay(random() * (isEarly ? 1000 : 200));
        lab.processes[before + victim]!.kill();
      }
      const { state, reason, warning } = await lab.app.whenEnded(runId);
      expect([state, reason]).toEqual(['done', '']);
      if (warning !== '') expect(warning).toMatch(/^device cpu:\d \(process \d+\) ended with signal SIGKILL/);
      expect(await outcomeOf(lab, runId)).toEqual(whole);
    }
  });
});
