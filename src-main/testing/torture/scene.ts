// Where one event happens: a data folder and a folder for temporary files of its own, one configuration, and the commands that work on them.

import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dataset } from '../../contract/commands.ts';
import { isActive, type RunSummary } from '../../contract/run.ts';
import type { Chance } from './chance.ts';
import { Command, endProcessesOf, must } from './command.ts';
import type { Ground, Reference } from './subjects.ts';

export const phases = [
  'planning',
  'beginning',
  'starting devices',
  'preparing',
  'training',
  'evaluating',
  'saving',
] as const;
export type Phase = (typeof phases)[number];

export class Scene {
  readonly home: string;
  readonly temporary: string;
  readonly commands: Command[] = [];
  /** Runs whose results may differ: what they were trained on was damaged. */
  readonly spoiled = new Set<string>();
  /** Whether something may have been lost of the logs: the disk was full, a log damaged. */
  logMayLack = false;
  /** Runs whose last state could not be stored. */
  readonly notStored = new Set<string>();
  private isClosed = false;

  constructor(
    readonly folder: string,
    readonly ground: Ground,
    readonly reference: Reference,
    /** What was done to it, in words. */
    private readonly told: string[],
  ) {
    this.home = join(folder, 'home');
    this.temporary = join(folder, 'tmp');
  }

  async open(): Promise<void> {
    await mkdir(this.temporary, { recursive: true });
    await this.ground.copyDatasets(this.home);
    await writeFile(this.config, JSON.stringify(this.reference.config));
  }

  get config(): string {
    return join(this.folder, 'config.yaml');
  }

  say(what: string): void {
    this.told.push(what);
  }

  start(...args: string[]): Command {
    must(!this.isClosed, 'the torture was ended');
    const command = new Command(args, { SDP_HOME: this.home, TMPDIR: this.temporary });
    this.commands.push(command);
    return command;
  }

  /** Goes on with the run that has not ended yet, or starts one. */
  async go(): Promise<Command> {
    const unfinished = (await this.states()).find(({ state }) => state !== 'done');
    return unfinished ? this.start('resume', unfinished.id, '--json') : this.train();
  }

  train(): Command {
    return this.start('train', this.config, '--json');
  }

  /** A run that nobody has disturbed, finished. */
  async finishedRun(): Promise<string> {
    const id = basename(this.reference.folder);
    const folder = join(this.home, 'runs', id);
    if (!existsSync(folder)) await cp(this.reference.folder, folder, { recursive: true });
    return id;
  }

  /** A run with checkpoints that has not ended: stopped in the middle, where there was none yet. */
  async stoppedRun(chance: Chance): Promise<string> {
    for (;;) {
      const written = 1 + chance.below(3);
      const command = await this.go();
      await command.until(() => command.count('checkpointWritten') >= written);
      command.signal('SIGINT');
      must((await command.ended()) === 0, `a stop ended with ${command.code}: ${command.stderr}`);
      if (command.summary!.state === 'stopped') return command.summary!.id;
    }
  }

  /** Waits until a command that trains is about to be in a phase, and some moments more. */
  async reach(command: Command, phase: Phase, chance: Chance, isOver?: () => boolean): Promise<void> {
    const [times, moments] = [1 + chance.below(3), chance.below(1000)];
    const numRuns = this.runFolders().length;
    const hasFolder = () => this.runFolders().length > numRuns || command.count('runChanged') > 0;
    await command.until(phase === 'beginning' ? hasFolder : () => begins(command, phase, times), isOver);
    const share = { planning: 0.7, beginning: 0.02, 'starting devices': 0.5, training: 0.3 }[phase as string] ?? 0.03;
    await sleep(share * moments);
  }

  private runFolders(): string[] {
    const runs = join(this.home, 'runs');
    return existsSync(runs) ? readdirSync(runs) : [];
  }

  /** The states of all runs as they are stored, the newest first; damaged ones are left out. */
  async states(): Promise<RunSummary[]> {
    const ids = this.runFolders().filter(isSeen).sort().reverse();
    const read = await Promise.all(ids.map((id) => this.stored(id)));
    return read.filter((summary) => summary !== undefined);
  }

  async stored(id: string): Promise<RunSummary | undefined> {
    try {
      const text = await readFile(join(this.home, 'runs', id, 'state.json'), 'utf8');
      return { ...(JSON.parse(text) as { summary: RunSummary }).summary, id };
    } catch {
      return undefined;
    }
  }

  /** As `sdp runs` tells them. */
  async runs(): Promise<{ runs: RunSummary[]; damaged: string }> {
    const command = this.start('runs', '--json');
    must((await command.ended()) === 0, `"sdp runs" ended with ${command.code}: ${command.stderr}`);
    return { runs: (command.lines[0] as unknown as { runs: RunSummary[] }).runs, damaged: command.stderr };
  }

  /** As `sdp datasets` tells them. */
  async datasets(): Promise<{ datasets: Dataset[] }> {
    const command = this.start('datasets', '--json');
    must((await command.ended()) === 0, `"sdp datasets" ended with ${command.code}: ${command.stderr}`);
    return command.lines[0] as unknown as { datasets: Dataset[] };
  }

  /** Trains what has not ended to its end, undisturbed. */
  async finish(): Promise<void> {
    const { runs } = await this.runs();
    for (const { id, state } of runs) {
      if (state === 'done') continue;
      must(!isActive(state), `run ${id} is told to be ${state} while nobody works on it`);
      const command = this.start('resume', id, '--json');
      must((await command.ended()) === 0, `the resume of run ${id} ended with ${command.code}: ${command.stderr}`);
      must(command.summary!.state === 'done', `run ${id} ended as ${command.summary!.state} where nobody disturbed it`);
    }
    // What was left of a run that a killed process was making goes at the next start.
    if (!this.runFolders().every(isSeen)) await mustEnd(this.train(), 0);
  }

  /** Ends what is at work in it, for good. */
  async close(): Promise<void> {
    this.isClosed = true;
    await endProcessesOf(this.home);
  }
}

const isSeen = (name: string): boolean => !name.startsWith('.');

export async function mustEnd(command: Command, code: number): Promise<void> {
  must(
    (await command.ended()) === code,
    `"sdp ${command.args.join(' ')}" ended with ${command.code}: ${command.stderr}`,
  );
}

function begins(command: Command, phase: Phase, times: number): boolean {
  switch (phase) {
    case 'planning':
      return true;
    case 'starting devices':
      return command.devices().length > 0;
    case 'training':
      return command.count('stepsAppended') >= times;
    case 'preparing':
      return command.count('runChanged', phase) > 0;
    default: {
      // A state is told more than once.
      const states = command.lines.flatMap(({ summary }) => summary?.state ?? []);
      return states.filter((state, index) => state === phase && states[index - 1] !== phase).length >= times;
    }
  }
}
