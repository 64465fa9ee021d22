// Unequal devices: CPU devices of two threads and one, with memory limits, stand in for cards of different size. The same run on the larger alone,
// on the smaller alone, on both as planned, and on both with equal shares: who runs what, whether it fits, and the time of a step.

import { readFile, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { RunConfig } from '../src-main/contract/runConfig.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { RunFolder } from '../src-main/records/runFolder.ts';
import { newHome, openLab, smallConfig, type TestLab } from '../src-main/testing/lab.ts';

const large = { id: 'cpu:0', threads: 2, memory: '1.5GiB' };
const small = { id: 'cpu:1', threads: 1, memory: '0.6GiB' };
/** Of which the first are left out: kernels and memory settle. */
const leftOut = 5;

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { steps: { type: 'string' }, rounds: { type: 'string' } } });
  const steps = Number(values.steps ?? 40);
  const lab = await openLab(await newHome());
  const configs: [string, RunConfig['devices']][] = [
    ['the larger alone', [large]],
    ['the smaller alone', [small]],
    ['both, as planned', [large, small]],
    ['both, equal shares', [large, small].map((device) => ({ ...device, workers: 4 }))],
  ];
  const times = new Map<string, number[]>();
  const shares = new Map<string, string>();
  for (let round = 0; round < Number(values.rounds ?? 3); round++) {
    for (const [name, devices] of configs) {
      const config = configOf(devices, steps);
      const { devices: planned, fits } = await lab.app.plan(config);
      const share = planned.map(({ id, workers }) => `${id}: ${workers.length}`).join(', ');
      shares.set(name, `${share}${fits ? '' : ' (does not fit)'}`);
      if (!fits) continue;
      times.set(name, [...(times.get(name) ?? []), ...(await stepTimes(lab, config))]);
    }
  }
  await lab.close();
  await rm(lab.home, { recursive: true });
  console.log('| devices | workers | median step, ms | least |\n|---|---|---|---|');
  for (const [name] of configs) {
    const sorted = (times.get(name) ?? []).sort((a, b) => a - b);
    const shown = (value: number | undefined) => value?.toFixed(0) ?? '';
    console.log(`| ${name} | ${shares.get(name)} | ${shown(sorted[sorted.length >> 1])} | ${shown(sorted[0])} |`);
  }
}

function configOf(devices: RunConfig['devices'], steps: number): RunConfig {
  const config = smallConfig({
    devices,
    subnetworks: { workers: 8, coverage: 4 },
    training: { steps, batch: 256 },
    evaluation: { samples: 10 },
  });
  return parseRunConfig({ ...config, model: { family: 'resnet', layers: [2, 2, 2, 2], width: 32 } });
}

async function stepTimes(lab: TestLab, config: RunConfig): Promise<number[]> {
  const runId = await lab.app.start(config);
  const { state, reason } = await lab.app.whenEnded(runId);
  if (state !== 'done') throw new Error(reason);
  const lines = (await readFile(new RunFolder(lab.home, runId).file('metrics.jsonl'), 'utf8')).split('\n');
  const steps = lines.filter((line) => line.startsWith('{"step":'));
  return steps.slice(leftOut).map((line) => (JSON.parse(line) as { stepMs: number }).stepMs);
}
