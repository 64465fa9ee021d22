// The built `sdp` command in a process group of its own, as a terminal or a service manager starts it, and what the system lists of it.

import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunSummary } from '../../contract/run.ts';
import { cliPath } from '../lab.ts';

/** What must not be. */
export class Violation extends Error {}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what);
}

/** Longest time for a command to end that was told to, or has a small run to train, on a machine that others use. */
export const limitMs = 120_000;

export interface Line {
  event?: string;
  summary?: RunSummary;
  step?: number;
  url?: string;
}

export class Command {
  readonly pid: number;
  readonly lines: Line[] = [];
  stderr = '';
  /** As it was last told. */
  summary: RunSummary | undefined;
  /** Exit code, or the signal that ended it; undefined while it runs. */
  code: number | NodeJS.Signals | undefined;
  wasKilled = false;
  /** Whether it may have told more than was read. */
  isUnread = false;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(
    readonly args: readonly string[],
    environment: Record<string, string>,
  ) {
    this.#child = spawn(process.execPath, [cliPath, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.pid = this.#child.pid!;
    createInterface(this.#child.stdout!).on('line', (text) => this.#read(text));
    this.#child.stderr!.on('data', (part) => (this.stderr += String(part)));
    this.#ended = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => {
        this.code = code ?? signal!;
        resolve();
      }),
    );
  }

  get isOver(): boolean {
    return this.code !== undefined;
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    await Promise.race([this.#ended, sleep(limitMs, undefined, { ref: false })]);
    must(this.code !== undefined, `"sdp ${this.args.join(' ')}" has not ended after ${limitMs / 1000} s`);
    return this.code;
  }

  /** Waits for something to happen; false where the command, or what is asked for instead, ends before. */
  async until(happened: () => boolean, isOver = () => this.isOver): Promise<boolean> {
    for (const end = Date.now() + limitMs; !happened(); await sleep(1)) {
      if (isOver()) return false;
      must(Date.now() < end, `"sdp ${this.args.join(' ')}" stands still for ${limitMs / 1000} s`);
    }
    return true;
  }

  /** Takes what it told, by whatever way. */
  tell(line: Line): void {
    this.lines.push(line);
    this.summary = line.summary ?? this.summary;
  }

  count(event: string, state?: string): number {
    return this.lines.filter((line) => line.event === event && (!state || line.summary?.state === state)).length;
  }

  signal(signal: NodeJS.Signals, toGroup = false): void {
    if (this.isOver) return;
    if (signal === 'SIGKILL') this.wasKilled = true;
    send(toGroup ? -this.pid : this.pid, signal);
  }

  /** Goes away as `head` does. */
  stopReading(): void {
    this.isUnread = true;
    this.#child.stdout!.destroy();
  }

  /** Its device processes, each from the moment on that it runs the worker: until then, starting it holds the command. */
  devices(): number[] {
    const children = readIfThere(`/proc/${this.pid}/task/${this.pid}/children`).trim().split(' ').filter(Boolean);
    return children.filter((pid) => readIfThere(`/proc/${pid}/cmdline`).includes('worker.js')).map(Number);
  }

  #read(text: string): void {
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch {
      // Cut off where the process was ended, or of a command without --json.
      return;
    }
    this.tell(line);
  }
}

/** To a process, or with a negative number to a group; one that is gone does not mind. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Processes that work on a data folder, whoever started them. */
export function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readIfThere(`/proc/${pid}/environ`).split('\0').includes(`SDP_HOME=${home}`))
    .map(Number);
}

/** Ends them for good. */
export async function endProcessesOf(home: string): Promise<void> {
  for (let left; (left = processesOf(home)).length > 0; await sleep(20)) for (const pid of left) send(pid, 'SIGKILL');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
