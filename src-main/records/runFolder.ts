// Reads the folder of a run, HOME/runs/ID: config.yaml, trained.json (what its steps so far were trained with), plan.json, units.yaml (the explicit
// plan that it was given), state.json, gradients.json (as last measured), metrics.jsonl, events.out.tfevents.*, checkpoints/, exports/,
// exports.jsonl (a line each), log.txt, lock. runRecord.ts writes it.
//
// A run that nobody holds while its state says that it works is interrupted.

import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import { plan, type Plan } from '../contract/plan.ts';
import {
  exportResult,
  gradientRecord,
  isActive,
  runSummary,
  type ExportResult,
  type GradientRecord,
  type RunSummary,
} from '../contract/run.ts';
import { faultOf } from '../contract/fault.ts';
import { isMissing, namesIn, readError, storageError } from '../files/files.ts';
import { isRunHeld } from './hold.ts';
import { parseRunConfig, runConfig, type RunConfig } from '../contract/runConfig.ts';
import type { Trained } from './configChanges.ts';
import { visibleLines } from '../contract/visible.ts';

/** An id, and the name of its folder. */
export const runId = /^[\w-][\w.-]{0,99}$/;
const storedState = z.object({ summary: runSummary });

export class RunFolder {
  readonly path: string;

  constructor(
    home: string,
    readonly id: string,
    path?: string,
  ) {
    if (!runId.test(id)) throw new UserError('usage', `"${id}" is not the id of a run; "sdp runs" lists them`);
    this.path = path ?? join(home, 'runs', id);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  checkpointPath(step: number): string {
    return this.file(join('checkpoints', `step-${String(step).padStart(8, '0')}`));
  }

  async readConfig(): Promise<RunConfig> {
    const config = parseRunConfig(await this.storedConfig());
    const { plan } = config.subnetworks;
    return plan === undefined
      ? config
      : { ...config, subnetworks: { ...config.subnetworks, plan: resolve(this.path, plan) } };
  }

  /** The configuration as it is written, without defaults. */
  storedConfig(): Promise<unknown> {
    return this.parseFile('config.yaml', 'YAML', parse);
  }

  /** What the configuration has now. */
  async toTrain(): Promise<Trained> {
    const config = parseRunConfig(await this.storedConfig());
    const { plan } = config.subnetworks;
    return { config, units: plan === undefined ? null : await readFile(resolve(this.path, plan), 'utf8') };
  }

  /** What its steps so far were trained with; null where an older version of the app wrote it. */
  trained(): Promise<Trained | null> {
    return this.readOptional('trained.json', z.object({ config: runConfig, units: z.string().nullable() }));
  }

  /** Null before there is one, and where an older version of the app wrote it. */
  readPlan(): Promise<Plan | null> {
    return this.readOptional('plan.json', plan);
  }

  /** Null before there were any. */
  readGradients(): Promise<GradientRecord | null> {
    return this.readOptional('gradients.json', gradientRecord);
  }

  /** State as stored; `interrupted` where nobody is at work that should be. Fails with a `checkpoint` error where it is damaged. */
  async readState(): Promise<RunSummary> {
    const summary = await this.stored();
    if (!isActive(summary.state) || isRunHeld(this.path)) return summary;
    // Its holder may have ended it meanwhile.
    return leftBehind(await this.stored());
  }

  /** By any process: of one line, so that several may add some at once. */
  async addExport(result: ExportResult): Promise<void> {
    await appendFile(this.file('exports.jsonl'), `${JSON.stringify(result)}\n`).catch((error: unknown) => {
      throw storageError(error, this.file('exports.jsonl'));
    });
  }

  /** In the order in which they were made; lines that were cut off are left out. */
  async exports(): Promise<ExportResult[]> {
    const text = await readFile(this.file('exports.jsonl'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return [exportResult.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    });
  }

  /** Steps of the complete checkpoints, ascending. */
  async checkpoints(): Promise<number[]> {
    const names = await namesIn(this.file('checkpoints'));
    return names.flatMap((name) => (/^step-\d{8,}$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => a - b);
  }

  async log(line: string): Promise<void> {
    await appendFile(this.file('log.txt'), `${new Date().toISOString()} ${visibleLines(line)}\n`).catch(
      () => undefined,
    );
  }

  async lastLogLines(most: number): Promise<string[]> {
    const text = await readFile(this.file('log.txt'), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-most);
  }

  async stored(): Promise<RunSummary> {
    const parsed = storedState.safeParse(await this.parseFile('state.json', 'JSON', parseJson), { reportInput: true });
    if (parsed.success && parsed.data.summary.id === this.id) return parsed.data.summary;
    if (parsed.success) throw this.damaged(`state.json: summary.id: must be ${this.id}`);
    throw this.damaged(`state.json: ${faultOf(parsed.error)}`);
  }

  private async parseFile(name: string, format: string, parseText: (text: string) => unknown): Promise<unknown> {
    const text = await this.read(name);
    try {
      return parseText(text);
    } catch (error) {
      throw this.damaged(`${name} is not ${format}`, error);
    }
  }

  private async read(name: string): Promise<string> {
    try {
      return await readFile(this.file(name), 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw readError(error, this.file(name));
      if (this.holdsRun()) throw this.damaged(`${name} cannot be read (ENOENT)`, error);
      throw this.unknown(error);
    }
  }

  /** Fails where there is no run, damaged or not. */
  mustExist(): void {
    if (!this.holdsRun()) throw this.unknown();
  }

  private unknown(cause?: unknown): UserError {
    return new UserError('usage', `there is no run "${this.id}"; "sdp runs" lists the runs`, { cause });
  }

  private holdsRun(): boolean {
    return ['state.json', 'config.yaml'].some((name) => existsSync(this.file(name)));
  }

  private damaged(problem: string, cause?: unknown): UserError {
    const message = `run ${this.id} is damaged: ${problem}; delete it, or mend its folder ${this.path}`;
    return new UserError('checkpoint', message, { key: this.id, cause });
  }

  private async readOptional<T>(name: string, schema: z.ZodType<T>): Promise<T | null> {
    const value = await this.parseFile(name, 'JSON', parseJson).catch(() => null);
    return schema.safeParse(value).data ?? null;
  }
}

/** A state that nobody holds. */
export function leftBehind(summary: RunSummary): RunSummary {
  if (!isActive(summary.state)) return summary;
  return { ...summary, state: 'interrupted', reason: 'the app ended while the run was active' };
}

const parseJson = (text: string): unknown => JSON.parse(text);
