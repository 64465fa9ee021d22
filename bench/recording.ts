// The events of a real run, recorded: 8 workers on two CPU devices, a small ResNet-18 on MNIST. They can be played again and again, as one
// run that goes on: steps and times are shifted, everything else is as it was.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppEvents } from '../src-main/contract/events.ts';
import type { EventMessage } from '../src-main/contract/rpc.ts';
import type { RunDetail } from '../src-main/contract/run.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { columnsIn, emptyColumns, type StepColumns } from '../src-main/contract/steps.ts';
import { createApp } from '../src-main/lab/app.ts';
import { builtWorker } from '../src-main/testing/lab.ts';
import type { EventHub } from '../src-main/transport/events.ts';

type AppEvent = EventMessage<AppEvents>;

export const recordedSteps = 1000;
const config = parseRunConfig({
  name: 'recorded',
  model: { family: 'resnet', layers: [2, 2, 2, 2], width: 4, stem: 'cifar' },
  data: { dataset: 'mnist' },
  subnetworks: { workers: 8, coverage: 2 },
  devices: [
    { id: 'cpu:0', threads: 1 },
    { id: 'cpu:1', threads: 1 },
  ],
  training: { steps: recordedSteps, batch: 32, learningRate: 0.1 },
  evaluation: { every: recordedSteps / 2, batch: 250, samples: 500 },
  checkpoint: { every: recordedSteps / 2 },
});

export interface Recording {
  /** The run as it was when it had ended. */
  detail: RunDetail;
  /** In order, from the first step to the last; `after`: steps told before it. */
  events: { after: number; event: AppEvent }[];
  seconds: number;
}

export async function recordRun(): Promise<Recording> {
  const home = await mkdtemp(join(tmpdir(), 'sdp-recording-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  const events: Recording['events'] = [];
  let after = 0;
  app.events.subscribe((event) => {
    if (after === recordedSteps || (after === 0 && event.name !== 'stepsAppended')) return;
    events.push({ after, event });
    if (event.name === 'stepsAppended') after += event.payload.columns.step.length;
  });
  try {
    const runId = await app.start(config);
    await app.whenEnded(runId);
    const detail = await app.handlers.getRun({ runId }, { signal: new AbortController().signal });
    if (after !== recordedSteps) throw new Error(`the recorded run ended at step ${after}: ${detail.summary.reason}`);
    return { detail, events, seconds: detail.columns.elapsedMs.at(-1)! / 1000 };
  } finally {
    await app.close();
    await rm(home, { recursive: true });
  }
}

/** Plays a recording in portions of steps, for ever. What was told between the steps of a portion is told after them. */
export class Player {
  private readonly columns: StepColumns;
  /** Steps played so far. */
  step = 0;
  private next = 0;

  constructor(
    private readonly recording: Recording,
    private readonly hub: EventHub<AppEvents>,
    /** Of the whole run, for its summaries. */
    private readonly steps: number,
  ) {
    this.columns = emptyColumns(recording.detail.config.subnetworks.workers);
    for (const { event } of recording.events)
      if (event.name === 'stepsAppended')
        append(this.columns, event.payload.columns, [0, event.payload.columns.step.length]);
  }

  play(steps: number): void {
    const { recording, hub } = this;
    const runId = recording.detail.summary.id;
    const columns = emptyColumns(recording.detail.config.subnetworks.workers);
    const to = this.step + steps;
    const others: (() => void)[] = [];
    while (this.step < to) {
      const base = this.step - (this.step % recordedSteps);
      const from = this.step % recordedSteps;
      const end = Math.min(recordedSteps, from + to - this.step);
      append(columns, this.columns, [from, end], { step: base, elapsedMs: (base / recordedSteps) * this.loopMs });
      this.step += end - from;
      for (; recording.events[this.next] && recording.events[this.next]!.after <= end; this.next++) {
        const { event } = recording.events[this.next]!;
        others.push(() => this.tell(event, base));
      }
      if (end === recordedSteps) this.next = 0;
    }
    hub.emit('stepsAppended', { runId, columns });
    others.forEach((tell) => tell());
  }

  private get loopMs(): number {
    return this.columns.elapsedMs.at(-1)!;
  }

  private tell({ name, payload }: AppEvent, base: number): void {
    const { hub, steps } = this;
    const elapsedMs = (base / recordedSteps) * this.loopMs;
    switch (name) {
      case 'runChanged':
        return hub.emit(name, { summary: { ...payload.summary, step: payload.summary.step + base, steps } });
      case 'evaluationAppended': {
        const { runId, evaluation } = payload;
        return hub.emit(name, { runId, evaluation: { ...evaluation, step: evaluation.step + base } });
      }
      case 'gradientsMeasured': {
        const { runId, gradients } = payload;
        return hub.emit(name, { runId, gradients: { ...gradients, step: gradients.step + base } });
      }
      case 'memorySampled': {
        const { runId, memory } = payload;
        const [step, ms] = [memory.step + base, memory.elapsedMs + elapsedMs];
        return hub.emit(name, { runId, memory: { ...memory, step, elapsedMs: ms } });
      }
      case 'checkpointWritten':
        return hub.emit(name, { runId: payload.runId, step: payload.step + base });
      case 'stepsAppended':
        return;
      default:
        throw new Error(`a run does not tell ${name}`);
    }
  }
}

/** Appends rows [first, end) of `rows`, with what is to be added to steps and times. */
function append(
  columns: StepColumns,
  rows: StepColumns,
  [first, end]: [number, number],
  add = { step: 0, elapsedMs: 0 },
): void {
  const to = columnsIn(columns);
  for (let row = first; row < end; row++) {
    columns.step.push(rows.step[row]! + add.step);
    columns.elapsedMs.push(rows.elapsedMs[row]! + add.elapsedMs);
    columnsIn(rows).forEach(({ values }, index) => to[index]!.values.push(values[row]!));
  }
}
