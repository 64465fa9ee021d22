// Prepares runs in threads beside the one that asks, so that whatever a configuration wants, the process answers, and planning can be
// cancelled and takes no more time and memory than it may.
//
// At most two plan at once; others wait for their turn. A thread that has planned waits a while for the next job, since one that is new takes
// longer. What was planned last is kept: who asks for the same again, a start after the form or an export after the run, gets that very result.

import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatBytes } from '../contract/bytes.ts';
import { UserError, type ErrorCode } from '../contract/errors.ts';
import { readPlanFile } from './planFile.ts';
import type { PreparedRun, prepareRun } from './prepare.ts';
import { addressBytesLeft, readLimits } from '../processes/processLimits.ts';

/** What a plan may take. */
export interface PlanLimits {
  minutes: number;
  /** Of JavaScript's memory. */
  mebibytes: number;
}
const usual: PlanLimits = { minutes: 15, mebibytes: 2048 };
const atOnce = 2;
const idleMs = 60_000;
/** Address space, with some to spare: Node.js 20 takes nearly 1 GiB. */
const addressesOfThread = 1.25 * 2 ** 30;

type Arguments = Parameters<typeof prepareRun>;

/** What prepareRun is given, but for who holds what, where a file says it. */
export type PlanSources = [config: Arguments[0], dataset: Arguments[1], sources: Arguments[2], machine: Arguments[3]];
export interface PlanJob {
  sources: PlanSources;
  /** What the file says. */
  planText: string | undefined;
}
export type PlanAnswer =
  | { prepared: PreparedRun }
  | { refused: { code: ErrorCode; message: string; key: string | undefined } }
  | { bug: string };

/** By key, oldest first. */
const kept = new Map<string, PreparedRun>();
const mostKept = 2;
let planning = 0;
const freed = new EventEmitter().setMaxListeners(0);
/** A thread without a job, and what ends it. */
let waiting: { thread: Worker; timer: NodeJS.Timeout } | undefined;

/** Everything that the run needs. What is read counts as it is now: changed files and other devices are planned anew. */
export async function prepareApart(sources: PlanSources, signal?: AbortSignal, limits = usual): Promise<PreparedRun> {
  const job = { sources, planText: await readPlanFile(sources[0].subnetworks.plan) };
  const key = keyOf(job);
  const prepared = kept.get(key) ?? (await inTurn(job, signal, limits));
  kept.delete(key);
  kept.set(key, prepared);
  if (kept.size > mostKept) kept.delete(kept.keys().next().value!);
  return prepared;
}

/** A run's name is no part of its plan. */
function keyOf({ sources: [{ name: _, ...config }, ...rest], planText }: PlanJob): string {
  const parts = [config, ...rest, planText];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function inTurn(job: PlanJob, signal = new AbortController().signal, limits: PlanLimits) {
  try {
    while (planning >= atOnce) await once(freed, 'turn', { signal });
    signal.throwIfAborted();
  } catch (error) {
    throw new UserError('cancelled', 'planning was cancelled', { cause: error });
  }
  planning += 1;
  try {
    return await ask(job, signal, limits);
  } finally {
    planning -= 1;
    freed.emit('turn');
  }
}

async function ask(job: PlanJob, signal: AbortSignal, limits: PlanLimits) {
  const thread = limits === usual ? takeThread() : startThread(limits);
  const late = AbortSignal.timeout(60_000 * limits.minutes);
  try {
    thread.postMessage(job);
    const [answer] = (await once(thread, 'message', { signal: AbortSignal.any([signal, late]) })) as [PlanAnswer];
    if (limits === usual && !waiting) keepThread(thread);
    else void thread.terminate();
    return resultOf(answer);
  } catch (error) {
    if (error instanceof UserError) throw error;
    await thread.terminate();
    if (signal.aborted) throw new UserError('cancelled', 'planning was cancelled', { cause: error });
    if (late.aborted) throw tooLarge(`takes longer than ${limits.minutes} minutes`);
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
    throw tooLarge(`takes more than ${limits.mebibytes} MiB of memory`);
  }
}

function resultOf(answer: PlanAnswer): PreparedRun {
  if ('prepared' in answer) return answer.prepared;
  if ('bug' in answer) throw new Error(answer.bug);
  const { code, message, key } = answer.refused;
  throw new UserError(code, message, { key });
}

const tooLarge = (what: string) =>
  new UserError('configuration', `planning this run ${what}; choose fewer layers, units or workers`, { key: 'model' });

function takeThread(): Worker {
  if (!waiting) return startThread(usual);
  const { thread, timer } = waiting;
  waiting = undefined;
  clearTimeout(timer);
  thread.ref();
  return thread;
}

function keepThread(thread: Worker): void {
  const end = () => {
    waiting = undefined;
    void thread.terminate();
  };
  thread.unref();
  waiting = { thread, timer: setTimeout(end, idleMs).unref() };
}

function startThread({ mebibytes }: PlanLimits): Worker {
  // Where these cannot be had, the process would end in place of the thread.
  if (addressBytesLeft() < addressesOfThread) {
    const most = formatBytes(readLimits().addressBytes);
    throw new UserError(
      'device',
      `a run cannot be planned: this process may take ${most} of address space (ulimit -v); raise that limit`,
    );
  }
  return new Worker(threadPath(), { resourceLimits: { maxOldGenerationSizeMb: mebibytes } });
}

/** The built thread, seen from the built app (out/main) and from the sources. */
function threadPath(): string {
  const path = [import.meta.dirname, join(import.meta.dirname, '../../out/main')]
    .map((folder) => join(folder, 'planner.js'))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) throw new UserError('device', 'out/main/planner.js is missing; run "npm run setup"');
  return path;
}
