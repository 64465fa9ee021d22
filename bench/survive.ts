// Whether runs of ResNet and LLaMA on four CPU devices survive what happens to their devices: one in five of those that are disturbed stands
// still (SIGSTOP), the others are killed. Prints how many runs ended as the undisturbed one, and after how many milliseconds others had
// taken over, sessions and all.

import { rm } from 'node:fs/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { cpuDevices, familyConfig, importText, newHome, openLab } from '../src-main/testing/lab.ts';
import { randomSource } from '../src-main/testing/random.ts';
import { disturbedRun, drawDisturbances, outcomeOf } from '../src-main/testing/survival.ts';

const numDevices = 4;
const patience = { firstMs: 20_000, leastMs: 5_000 };

/** Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { kills: number, seed: number } });
  const kills = Number(values.kills ?? 200);
  const random = randomSource(Number(values.seed ?? 1));
  const lab = await openLab(await newHome(), undefined, patience);
  await importText(lab.home);
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

/** Milliseconds until others had taken over, where the run was not over before. */
function spread(times: number[]): { count: number; medianMs: number; worstMs: number } | null {
  if (times.length === 0) return null;
  const sorted = times.map(Math.round).sort((a, b) => a - b);
  return { count: sorted.length, medianMs: sorted[sorted.length >> 1]!, worstMs: sorted.at(-1)! };
}
