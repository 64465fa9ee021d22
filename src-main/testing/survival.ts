// Runs whose device processes are killed, or stand still, at random moments from their start on; and what a run has come to.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunConfig } from '../contract/runConfig.ts';
import { RunFolder } from '../records/runFolder.ts';
import { nextEvent, type TestLab } from './lab.ts';

/** Parameters and optimizer state as bytes; losses and norms (float32) of every step. */
export async function outcomeOf(lab: TestLab, runId: string) {
  const folder = new RunFolder(lab.home, runId);
  const checkpoint = folder.checkpointPath((await folder.checkpoints()).at(-1)!);
  const files = ['values.safetensors', 'optimizer.safetensors'].map((name) => readFile(join(checkpoint, name)));
  const lines = (await readFile(folder.file('metrics.jsonl'), 'utf8')).split('\n');
  const told = lines.flatMap((line) => {
    if (!line.startsWith('{"step":')) return [];
    const { step, loss, gradNorm } = JSON.parse(line) as { step: number; loss: number[]; gradNorm: number };
    return [{ step, loss, gradNorm: Math.fround(gradNorm) }];
  });
  return { files: await Promise.all(files), told };
}

export interface Disturbance {
  /** Index of the device. */
  victim: number;
  signal: 'SIGKILL' | 'SIGSTOP';
  /** After the one before; the first after the start of the processes, or the first step that is told. */
  afterMs: number;
}

/** Some devices, but not all, of a run that is disturbed from its start on, or while it trains. */
export function drawDisturbances(random: () => number, numDevices: number, withinMs: number): Disturbance[] {
  const devices = Array.from({ length: numDevices }, (_, index) => index).sort(() => random() - 0.5);
  const victims = devices.slice(0, 1 + Math.floor(random() * (numDevices - 1)));
  return victims.map((victim) => ({ victim, signal: 'SIGKILL', afterMs: random() * withinMs }));
}

/** Returns how it ended, and how many milliseconds after each disturbance others had taken over. */
export async function disturbedRun(lab: TestLab, config: RunConfig, isEarly: boolean, disturbances: Disturbance[]) {
  const before = lab.processes.length;
  const runId = await lab.app.start(config);
  const isOver = lab.app.whenEnded(runId);
  const trains = isEarly ? undefined : nextEvent(lab, 'stepsAppended');
  while (lab.processes.length < before + config.devices.length) await delay(5);
  await trains;
  const at = new Map<number, number>();
  const takenOverMs = new Map<number, number>();
  const off = lab.app.events.subscribe(({ name, payload }) => {
    if (name !== 'runChanged') return;
    const { warning } = payload.summary;
    for (const [pid, time] of at)
      if (!takenOverMs.has(pid) && warning.includes(`(process ${pid})`)) takenOverMs.set(pid, performance.now() - time);
  });
  for (const { victim, signal, afterMs } of disturbances) {
    await delay(afterMs);
    const { pid } = lab.processes[before + victim]!;
    at.set(pid!, performance.now());
    try {
      process.kill(pid!, signal);
    } catch {
      // The run is over.
    }
  }
  const { state, reason, warning } = await isOver;
  off();
  return { runId, state, reason, warning, takenOverMs: [...takenOverMs.values()] };
}
