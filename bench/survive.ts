// Whether runs of ResNet and LLaMA on four CPU devices survive what happens to their devices: one in five of those that are disturbed stands
// still (SIGSTOP), the others are killed. Prints how many runs ended as the undisturbed one, and after how many milliseconds others had
// taken over, sessions and all. With --main N: whether runs survive N kills of their app, how many whole steps are lost, and after how many
// milliseconds the devices of the app had ended.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { usualPatience } from '../src-main/fleet/silence.ts';
import { cpuDevices, familyConfig, importText, newHome, openLab, type TestLab } from '../src-main/testing/lab.ts';
import { randomSource } from '../src-main/testing/random.ts';
import { disturbedRun, drawDisturbances, outcomeOf, runWithKilledApps } from '../src-main/testing/survival.ts';

const numDevices = 4;
const patience = { ...usualPatience, firstMs: 20_000 };

/** Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { kills: number, main: number, seed: number } });
  const kills = Number(values.kills ?? 200);
  const random = randomSource(Number(values.seed ?? 1));
  const lab = await openLab(await newHome(), undefined, patience);
  await importText(lab.home);
  if (values.main !== undefined) return await killApps(lab, Number(values.main), random);
  let isEqual = true;
  try {
    for (const family of ['resnet', 'llama'] as const) {
      const config = familyConfig(family, { devices: cpuDevices(numDevices), training: { steps: 100 } });
      const undisturbed = await lab.app.start(config);
      await lab.app.whenEnded(undisturbed);
      const whole = await outcomeOf(lab, undisturbed);
      const after = { SIGKILL: [] as number[], SIGSTOP: [] as number[] };
      const counts = { family, disturbed: 0, runs: 0, equal: 0 };
      while (counts.disturbed < kills / 2) {
        const isEarly = random() < 0.3;
        const signal = random() < 0.2 ? 'SIGSTOP' : 'SIGKILL';
        const drawn = drawDisturbances(random, numDevices, isEarly ? 1000 : 500);
        const disturbances = signal === 'SIGSTOP' ? [{ ...drawn[0]!, signal } as const] : drawn;
        const { runId, state, takenOverMs } = await disturbedRun(lab, config, isEarly, disturbances);
        counts.disturbed += disturbances.length;
        counts.runs += 1;
        counts.equal += Number(state === 'done' && isDeepStrictEqual(await outcomeOf(lab, runId), whole));
        after[signal].push(...takenOverMs);
      }
      isEqual &&= counts.equal === counts.runs;
      console.log(JSON.stringify({ ...counts, killed: spread(after.SIGKILL), hung: spread(after.SIGSTOP) }));
    }
  } finally {
    await lab.close();
    await rm(lab.home, { recursive: true });
  }
  return isEqual ? 0 : 1;
}

/** Half of the kills in runs of each family, which are undisturbed once. */
async function killApps(lab: TestLab, kills: number, random: () => number): Promise<number> {
  const path = join(lab.home, 'config.yaml');
  let isEqual = true;
  try {
    for (const family of ['resnet', 'llama'] as const) {
      const config = familyConfig(family, {
        devices: cpuDevices(2),
        training: { steps: 2000, clipGlobalNorm: 1 },
        evaluation: { every: 100 },
        checkpoint: { every: 500 },
      });
      const undisturbed = await lab.app.start(config);
      await lab.app.whenEnded(undisturbed);
      const whole = await outcomeOf(lab, undisturbed);
      await writeFile(path, stringify(config));
      const counts = { family, kills: 0, runs: 0, equal: 0, lostSteps: 0 };
      const restMs: number[] = [];
      while (counts.kills < kills / 2) {
        const left = Math.ceil(kills / 2) - counts.kills;
        const found = await runWithKilledApps(lab.home, path, { random, kills: left, withinMs: 1500 });
        counts.kills += found.kills;
        counts.runs += 1;
        counts.equal += Number(isDeepStrictEqual(await outcomeOf(lab, found.runId), whole));
        counts.lostSteps += found.lostSteps;
        restMs.push(...found.restMs);
      }
      isEqual &&= counts.equal === counts.runs && counts.lostSteps === 0;
      console.log(JSON.stringify({ ...counts, devicesEnded: spread(restMs) }));
    }
  } finally {
    await lab.close();
    await rm(lab.home, { recursive: true });
  }
  return isEqual ? 0 : 1;
}

/** Milliseconds until others had taken over, where the run was not over before. */
function spread(times: number[]): { count: number; medianMs: number; worstMs: number } | null {
  if (times.length === 0) return null;
  const sorted = times.map(Math.round).sort((a, b) => a - b);
  return { count: sorted.length, medianMs: sorted[sorted.length >> 1]!, worstMs: sorted.at(-1)! };
}
