// Runs whose device processes are killed, or stand still, at random moments from their start on; runs whose app is killed; and what a run has
// come to.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunState, RunSummary } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import type { StepColumns } from '../contract/steps.ts';
import { findLeftStore } from '../records/leftStores.ts';
import { RunFolder } from '../records/runFolder.ts';
import { readLedger } from '../records/sampleLedger.ts';
import { cliPath, nextEvent, type TestLab } from './lab.ts';

/** What `outcomeOf` needs of a lab. */
type Home = Pick<TestLab, 'home'>;

/** Parameters and optimizer state as bytes; losses and norms (float32) of every step; its samples. */
export async function outcomeOf(lab: Home, runId: string) {
  const folder = new RunFolder(lab.home, runId);
  const checkpoint = folder.checkpointPath((await folder.checkpoints()).at(-1)!);
  const files = ['values.safetensors', 'optimizer.safetensors'].map((name) => readFile(join(checkpoint, name)));
  const lines = (await readFile(folder.file('metrics.jsonl'), 'utf8')).split('\n');
  const told = lines.flatMap((line) => {
    if (!line.startsWith('{"step":')) return [];
    const { step, loss, gradNorm } = JSON.parse(line) as { step: number; loss: number[]; gradNorm: number };
    return [{ step, loss, gradNorm: Math.fround(gradNorm) }];
  });
  return { files: await Promise.all(files), told, ledger: await readLedger(folder.file('metrics.jsonl')) };
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

interface Line {
  event: string;
  summary?: RunSummary;
  columns?: StepColumns;
}

/** What is seen of a command that trains until it ends or is killed. */
interface Stretch {
  runId: string;
  state: RunState;
  /** First step that it has done, and steps done when it has told last; null: it has told none. */
  steps: { first: number; done: number } | null;
  /** Processes that it had started. */
  children: number[];
}

interface Kill {
  /** After the first step that it tells; else after its start. */
  trains: boolean;
  afterMs: number;
  /** And after what it waits for then. */
  when?: (runId: string) => Promise<void>;
  /** A device stands still then. */
  hangs?: boolean;
}

/** Runs the built command to its end, or until it is killed. */
export async function trainUntil(home: string, args: string[], kill?: Kill): Promise<Stretch> {
  const env = { ...process.env, SDP_HOME: home };
  const child = spawn(process.execPath, [cliPath, ...args, '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const seen: Stretch = { runId: '', state: 'preparing', steps: null, children: [] };
  const killIt = async ({ afterMs, when, hangs }: Kill) => {
    await delay(afterMs);
    await when?.(seen.runId);
    seen.children = childrenOf(child.pid!);
    if (hangs) process.kill(seen.children[0]!, 'SIGSTOP');
    child.kill('SIGKILL');
  };
  const killed = kill && !kill.trains ? killIt(kill) : undefined;
  for await (const text of createInterface(child.stdout)) {
    const { summary, columns } = JSON.parse(text) as Line;
    if (summary) [seen.runId, seen.state] = [summary.id, summary.state];
    if (!columns) continue;
    if (kill?.trains && !seen.steps) void killIt(kill);
    seen.steps = { first: seen.steps?.first ?? columns.step[0]!, done: columns.step.at(-1)! + 1 };
  }
  await ended;
  await killed;
  return seen;
}

/** A process that has ended may still be listed, until whoever takes up orphans looks after it. */
export function hasNotEnded(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/**
 * A run whose app is killed so many times at random moments, most of them while it trains, and resumed each time, until it ends. Returns the
 * steps that were lost or done twice, and milliseconds until the devices of each app had ended.
 */
export async function runWithKilledApps(
  home: string,
  config: string,
  { random, kills, withinMs }: { random: () => number; kills: number; withinMs: number },
) {
  const afterMs = () => random() * withinMs;
  const found = { kills: 0, lostSteps: 0, restMs: [] as number[], runId: '' };
  let stretch = await trainUntil(home, ['train', config], { trains: true, afterMs: afterMs() });
  while (stretch.state !== 'done') {
    found.kills += 1;
    found.runId ||= stretch.runId;
    const died = performance.now();
    while (stretch.children.some(hasNotEnded)) await delay(5);
    found.restMs.push(performance.now() - died);
    const folder = new RunFolder(home, found.runId);
    const left = await findLeftStore(folder);
    const before = left?.step ?? (await folder.checkpoints()).at(-1) ?? 0;
    if (stretch.steps) found.lostSteps += Math.max(0, stretch.steps.done - before);
    const isEarly = random() < 0.3;
    const next = { trains: !isEarly, afterMs: isEarly ? random() * 2000 : afterMs() };
    stretch = await trainUntil(home, ['resume', found.runId], found.kills < kills ? next : undefined);
    if (stretch.steps) found.lostSteps += Math.abs(stretch.steps.first - before);
  }
  return found;
}
