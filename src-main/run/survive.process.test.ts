import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { cpuDevices, familyConfig, importText, newHome, openLab } from '../testing/lab.ts';
import { randomSource } from '../testing/random.ts';
import { disturbedRun, drawDisturbances, outcomeOf } from '../testing/survival.ts';

const training = { steps: 60, clipGlobalNorm: 1 };

describe.each([
  ['resnet', 2],
  ['llama', 4],
] as const)('%s on %i devices', (family, numDevices) => {
  it('ends with the very same parameters, losses and norms, whichever devices are killed when', async () => {
    const lab = await openLab(await newHome());
    await importText(lab.home);
    const devices = cpuDevices(numDevices);
    const config = familyConfig(family, { devices, subnetworks: { workers: 4, coverage: 2 }, training });
    const undisturbed = await lab.app.start(config);
    expect((await lab.app.whenEnded(undisturbed)).state).toBe('done');
    const whole = await outcomeOf(lab, undisturbed);
    expect(whole.told).toHaveLength(training.steps);
    const random = randomSource(numDevices);
    for (let round = 0; round < 10; round++) {
      const isEarly = round % 5 === 0;
      const disturbances = drawDisturbances(random, numDevices, isEarly ? 1000 : 200);
      const { runId, state, reason, warning } = await disturbedRun(lab, config, isEarly, disturbances);
      expect([state, reason]).toEqual(['done', '']);
      if (warning !== '') expect(warning).toMatch(/^device cpu:\d \(process \d+\) ended with signal SIGKILL/);
      expect(await outcomeOf(lab, runId)).toEqual(whole);
    }
    await lab.close();
    await rm(lab.home, { recursive: true });
  });
});
