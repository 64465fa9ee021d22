// The words of the page: what a run is doing, and what went wrong. One place turns errors and states into text.

import type { Dataset } from '../../src-main/contract/commands.ts';
import { UserError } from '../../src-main/contract/errors.ts';
import { formatExtent } from '../../src-main/contract/extent.ts';
import { optimizers } from '../../src-main/contract/optimizers.ts';
import type { Plan } from '../../src-main/contract/plan.ts';
import { isActive, type RunState, type RunSummary } from '../../src-main/contract/run.ts';
import type { RunConfig } from '../../src-main/contract/runConfig.ts';
import type { ImportState, Verdict } from '../../src-main/contract/verdict.ts';
import { familyOf } from '../../src-main/families/configs.ts';
import {
  contentName,
  formatBytes,
  formatDuration,
  formatInteger,
  formatMetric,
  formatSi,
  metricName,
} from '../charts/format.ts';

export function errorText(error: unknown): string {
  if (error instanceof UserError) return sentence(error.message);
  return `Unexpected error: ${error instanceof Error ? error.message : String(error)}`;
}

export const stateLabels: Record<RunState, string> = {
  preparing: 'Preparing',
  training: 'Training',
  evaluating: 'Evaluating',
  saving: 'Saving',
  paused: 'Paused',
  stopped: 'Stopped',
  done: 'Done',
  failed: 'Failed',
  interrupted: 'Interrupted',
};

export interface Observed {
  /** Whether the page hears of the run at this moment. */
  connected: boolean;
  stopping: boolean;
  /** Seconds without a sign of life of its devices, and without a step, where that is longer than its steps explain; else 0. */
  silentSecs: number;
  steplessSecs: number;
}

/** One line that says what the run does now, from facts alone; why it failed is shown beside it. Without a connection it says what was last known. */
export function stateLine(summary: RunSummary, { connected, stopping, silentSecs, steplessSecs }: Observed): string {
  const line = plainState(summary);
  if (!isActive(summary.state)) return line;
  if (!connected)
    return `Last known: ${line[0]!.toLowerCase()}${line.slice(1)}. No connection, so it may have moved on`;
  if (stopping) return `${line}; stopping at the end of this step`;
  if (silentSecs > 0) return `${line}; no sign of life of its devices for ${formatDuration(silentSecs)}`;
  return steplessSecs > 0 ? `${line}; no step for ${formatDuration(steplessSecs)}` : line;
}

function plainState({ state, step, steps, reason, accuracy, perplexity }: RunSummary): string {
  const metric = accuracy === null ? '' : `, ${metricName({ perplexity })} ${formatMetric({ accuracy, perplexity })}`;
  const at = `step ${formatInteger(step)} of ${formatInteger(steps)}`;
  const because = reason ? `: ${reason}` : '';
  switch (state) {
    case 'preparing':
      return 'Preparing: building graphs and starting device processes';
    case 'training':
      return step === 0 ? `Training, first of ${formatInteger(steps)} steps` : `Training, ${at} done`;
    case 'evaluating':
      return `Evaluating the full network after ${at}`;
    case 'saving':
      return `Saving a checkpoint after ${at}`;
    case 'paused':
      return `Paused after ${at}; its devices keep their memory`;
    case 'done':
      return `Done after ${formatInteger(step)} steps${metric}`;
    case 'stopped':
      return `Stopped after ${at}${because}`;
    case 'failed':
      return `Failed after ${at}`;
    case 'interrupted':
      return `Interrupted after ${at}${because || ': the app ended while it ran'}`;
  }
}

/** Connectivity and spectral gap of a plan, in words. */
export function mixingText({ connected, spectralGap, numWorkers, coverageRange }: Plan): string {
  if (coverageRange[0] === numWorkers) return 'Every worker holds everything, so averaging once makes all equal.';
  if (!connected) return 'Not connected: the workers fall into groups that never share a unit. Raise the coverage.';
  if (spectralGap >= 0.3) return 'Connected, and averaging mixes the workers quickly.';
  if (spectralGap >= 0.05) return 'Connected; what one worker learns of shared units reaches all within some steps.';
  return 'Connected, but only just: what one worker learns reaches the others slowly.';
}

/** How a run ended, in one sentence. */
export function endOf(summary: RunSummary): string {
  return sentence([plainState(summary), summary.state === 'failed' ? summary.reason : ''].filter(Boolean).join(': '));
}

/** What non-finite losses there were, in words; empty where all were finite. */
export function nonFiniteText(marks: readonly { step: number; worker: number }[]): string {
  const first = marks[0];
  if (!first) return '';
  const last = marks[marks.length - 1]!.step;
  const workers = [...new Set(marks.map((mark) => mark.worker))].sort((a, b) => a - b);
  const who = workers.length === 1 ? `worker ${workers[0]}` : `workers ${workers.join(', ')}`;
  const when =
    first.step === last
      ? `at step ${formatInteger(last)}`
      : `from step ${formatInteger(first.step)} to ${formatInteger(last)}`;
  return `Loss of ${who} was not finite ${when} (${formatInteger(marks.length)} ${marks.length === 1 ? 'value' : 'values'}).`;
}

/** With a full stop at the end. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** A run in one line: model, data, and how the subnetworks are made. */
export function describeConfig(config: RunConfig, plan: Plan | null): string {
  const { model, data, subnetworks, training } = config;
  const { workers, coverage, granularity, masking } = subnetworks;
  const parameters = plan ? `, ${formatSi(plan.model.parameters)} parameters` : '';
  const method =
    coverage === workers
      ? `${workers} workers, data parallel`
      : `${workers} workers, each ${granularity} on ${coverage}, ${masking} masking`;
  return [
    `${familyOf(model).describe(model)}${parameters}`,
    data.dataset,
    method,
    `${optimizers[training.optimizer].title}, batch ${formatInteger(training.batch)}`,
  ].join(' · ');
}

/** [C,H,W] in words. */
const describeSample = ([channels, height, width]: readonly number[]): string =>
  `${formatExtent(height!, width!)} ${channels === 1 ? 'grey' : channels === 3 ? 'colour' : `in ${channels} channels`}`;

/** A dataset in one line. */
export function describeDataset(dataset: Dataset): string {
  const sizes = `${formatInteger(dataset.train)} training and ${formatInteger(dataset.test)} validation ${contentName(dataset)}`;
  const kind =
    dataset.kind === 'images'
      ? `${formatInteger(dataset.classes)} classes, ${describeSample(dataset.sample)}`
      : `vocabulary ${formatInteger(dataset.vocabulary)}`;
  return `${sizes}, ${kind}, ${formatBytes(dataset.bytes)}`;
}

/** Much longer than from one sign of life of a device to the next. */
const leastPatienceMs = 10_000;

/** Seconds without news of a run in this state, where that is longer than its steps explain; else 0. */
export function silentSecs(state: RunState, silentMs: number, stepMs: number): number {
  const patienceMs = Math.max(leastPatienceMs, 5 * (Number.isFinite(stepMs) ? stepMs : 0));
  return state === 'training' && silentMs > patienceMs ? Math.round(silentMs / 1000) : 0;
}

/** How much of the files an inspection looked at, where that is not all; as the end of a sentence. */
export function describeLook({ content, exact, train, test }: Verdict): string {
  if (exact || !content) return '';
  if (content.kind === 'tokens') return ', at a part of it: figures are estimates';
  const { looked, unreadable } = content;
  return `, at ${formatInteger(looked)} of ${formatInteger(train + test + unreadable)} images: figures are estimates`;
}

/** What an inspection found, a line for each thing. */
export function describeFound({ content, train, test, bytes }: Verdict): string[] {
  if (!content) return [];
  const unit = content.kind === 'images' ? 'samples' : 'tokens';
  const counts = `${formatInteger(train)} training and ${formatInteger(test)} validation ${unit}`;
  return [`${counts}, ${formatBytes(bytes)} when imported`, ...contentLines(content)];
}

function contentLines(content: NonNullable<Verdict['content']>): string[] {
  if (content.kind === 'tokens') {
    const { documents, characters, tokenizer, vocabulary } = content;
    const text = `${formatInteger(documents)} ${documents === 1 ? 'document' : 'documents'}, ${formatInteger(characters)} characters`;
    const tokens = `Tokenizer: ${tokenizer}, vocabulary of ${formatInteger(vocabulary)}`;
    return tokenizer === 'tokens' ? [`Tokens already, vocabulary of ${formatInteger(vocabulary)}`] : [text, tokens];
  }
  const { classes, looked, unreadable, sizes, sample, storage } = content;
  const size = ({ height, width, channels }: (typeof sizes)[number]) => describeSample([channels, height, width]);
  const shown = sizes.slice(0, 4).map((one) => `${size(one)} (${formatInteger(one.count)})`);
  const more = sizes.length > shown.length ? ' and others' : '';
  const kept = storage === 'array' ? 'kept decoded' : 'kept as they are, decoded when read';
  const bad = `Of ${formatInteger(looked)} images that were looked at, ${formatInteger(unreadable)} cannot be read and are not counted`;
  return [
    ...(unreadable > 0 ? [bad] : []),
    `${formatInteger(classes.length)} ${classes.length === 1 ? 'class' : 'classes'}`,
    `Images of ${shown.join(', ')}${more}`,
    `The model gets ${describeSample(sample)}; ${kept}`,
  ];
}

/** How an import goes: what is done of what, how fast, how long it still takes, what was left out. */
export function importProgress({ unit, done, total, perSecond, secondsLeft, skipped }: ImportState): string {
  const amount = (count: number) => (unit === 'bytes' ? formatBytes(count) : formatInteger(count));
  const of = total > 0 ? `${amount(done)} of ${amount(total)}${unit === 'bytes' ? '' : ' samples'}` : 'Reading';
  const rate = perSecond > 0 ? `, ${amount(perSecond)}/s` : '';
  const left = secondsLeft ? `, ${formatDuration(secondsLeft)} left` : '';
  return `${of}${rate}${left}${skipped > 0 ? `, ${formatInteger(skipped)} left out` : ''}`;
}

/** A text without the folder in front of names of files. */
export function shortened(text: string, folder: string): string {
  return folder === '' ? text : text.replaceAll(`${folder}/`, '').replaceAll(`${folder}\\`, '');
}

/** The name of a file below what is looked at, or of what is looked at itself; with the row, if the text has one. */
export function shortName(file: string, folder: string): string {
  const short = shortened(file, folder);
  return folder !== '' && short.startsWith(folder) ? lastPart(folder) + short.slice(folder.length) : short;
}

/** What is looked at, by name: at most three. */
export function namesOf(paths: readonly string[]): string {
  const more = paths.length > 3 ? [`${formatInteger(paths.length - 3)} more`] : [];
  return [...paths.slice(0, 3).map(lastPart), ...more].join(', ');
}

const lastPart = (path: string) => path.split(/[\\/]/).findLast((part) => part !== '') ?? path;
