// Imports that a page started: their state, told as events, until the app ends.

import { randomUUID } from 'node:crypto';
import { UserError } from '../contract/errors.ts';
import type { AppEvents } from '../contract/events.ts';
import type { ImportOptions, ImportState } from '../contract/verdict.ts';
import { defaultName, importDataset } from '../data/import.ts';
import type { ImportProgress } from '../native.ts';
import type { EventHub } from '../transport/events.ts';

interface Job {
  state: ImportState;
  cancel: AbortController;
  startedAt: number;
  ended: Promise<void>;
}

export class Imports {
  private readonly jobs = new Map<string, Job>();

  constructor(
    private readonly home: string,
    private readonly events: EventHub<AppEvents>,
  ) {}

  list(): ImportState[] {
    return [...this.jobs.values()].map(({ state }) => state);
  }

  /** Returns the import's id at once. */
  start(spec: { paths: string[]; name?: string | undefined; options: ImportOptions }): string {
    const id = randomUUID();
    const state: ImportState = {
      id,
      name: spec.name ?? defaultName(spec.paths[0]!),
      paths: spec.paths,
      state: 'running',
      unit: 'samples',
      done: 0,
      total: 0,
      perSecond: 0,
      secondsLeft: null,
      skipped: 0,
      reason: '',
    };
    const job: Job = { state, cancel: new AbortController(), startedAt: Date.now(), ended: Promise.resolve() };
    this.jobs.set(id, job);
    job.ended = this.run(job, spec);
    return id;
  }

  async cancel(id: string): Promise<ImportState> {
    const job = this.jobs.get(id);
    if (!job) throw new UserError('usage', `there is no import ${id}`);
    job.cancel.abort();
    await job.ended;
    return job.state;
  }

  async close(): Promise<void> {
    await Promise.all([...this.jobs.keys()].map((id) => this.cancel(id)));
  }

  private async run(job: Job, { paths, name, options }: Parameters<Imports['start']>[0]): Promise<void> {
    const { home } = this;
    const onProgress = (progress: ImportProgress) => this.change(job, figures(progress, job.startedAt));
    this.change(job, {});
    try {
      const dataset = await importDataset({ paths, name, options, home, signal: job.cancel.signal, onProgress });
      this.events.emit('datasetImported', { dataset });
      this.change(job, { state: 'done', name: dataset.name, secondsLeft: 0 });
    } catch (error) {
      const state = error instanceof UserError && error.code === 'cancelled' ? 'cancelled' : 'failed';
      this.change(job, { state, secondsLeft: null, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  private change(job: Job, change: Partial<ImportState>): void {
    job.state = { ...job.state, ...change };
    this.events.emit('importChanged', { import: job.state });
  }
}

function figures({ done, total, skipped, isText }: ImportProgress, startedAt: number): Partial<ImportState> {
  const seconds = (Date.now() - startedAt) / 1000;
  const perSecond = seconds > 0 ? done / seconds : 0;
  const secondsLeft = perSecond > 0 && total > 0 ? (total - done) / perSecond : null;
  return { unit: isText ? 'bytes' : 'samples', done, total, skipped, perSecond, secondsLeft };
}
