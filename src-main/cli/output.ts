// What commands print: tables for people, JSON for programs, and a progress line on a terminal. Nothing else writes to the terminal, so that
// no name acts on it.

import type { Diagnosis } from '../contract/doctor.ts';
import { ledgerSentence, type SampleLedger } from '../contract/ledger.ts';
import { stoppedOnRequest, type RunSummary } from '../contract/run.ts';
import { visible, visibleJson } from '../contract/visible.ts';

export function printJson(value: unknown): void {
  process.stdout.write(`${visibleJson(value)}\n`);
}

/** A line of the answer. */
export function printLine(text = ''): void {
  process.stdout.write(`${visible(text)}\n`);
}

/** A line beside the answer, on standard error. */
export function printNote(text: string): void {
  process.stderr.write(`${visible(text)}\n`);
}

export function printTable(rows: readonly (readonly string[])[]): void {
  const shown = rows.map((row) => row.map(visible));
  const widths = shown[0]!.map((_, column) => Math.max(...shown.map((row) => row[column]!.length)));
  for (const row of shown)
    printLine(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

/** Which samples the steps of a run were trained on. */
export function printLedger(ledger: SampleLedger): void {
  if (ledger.epochs.length > 0)
    printTable([
      ['EPOCH', 'FROM STEP', 'STEPS', 'CHECKED', 'SAMPLES', 'OF'],
      ...ledger.epochs.map((row) =>
        [row.epoch, row.from, row.steps, row.checked, row.samples, row.of].map((count) => String(count)),
      ),
    ]);
  printLine(ledgerSentence(ledger, String));
}

/** A line for each finding. */
export function printDiagnosis({ findings }: Diagnosis): void {
  printTable([
    ['STATE', 'WHAT', 'DETAIL'],
    ...findings.map(({ state, title, detail, remedy }) => [state, title, remedy ? `${detail} -> ${remedy}` : detail]),
  ]);
}

export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}h ${minutes}m` : minutes > 0 ? `${minutes}m ${rest}s` : `${rest}s`;
}

/** The figure that an evaluation is judged by: perplexity of a language model, else accuracy; null before the first. */
export function metricOf({ accuracy, perplexity }: Pick<RunSummary, 'accuracy' | 'perplexity'>): string | null {
  if (perplexity !== null) return `perplexity ${perplexity.toFixed(3)}`;
  return accuracy === null ? null : `accuracy ${accuracy.toFixed(4)}`;
}

/** The last word of a run. */
export function printEnd(summary: RunSummary, json: boolean): void {
  if (json) return;
  const metric = metricOf(summary);
  printLine(
    `run ${summary.id} ${summary.state} at step ${summary.step} of ${summary.steps}${metric === null ? '' : `, ${metric}`}`,
  );
  if (summary.state === 'stopped' && summary.reason !== stoppedOnRequest) printNote(summary.reason);
}

export interface Progress {
  summary: RunSummary;
  /** Mean loss of the last step; null before the first, or where it is not finite. */
  loss: number | null;
  startedAt: number;
  firstStep: number;
}

/** One line that is drawn over itself on a terminal; elsewhere a line every so many seconds. */
export class StatusLine {
  private lastPlainAt = 0;
  private drawn = false;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  /** `text` is given the width of the terminal. */
  draw(text: (columns: number) => string): void {
    if (this.stream.isTTY) {
      const columns = this.stream.columns ?? 80;
      this.stream.write(`\r\u001b[2K${visible(text(columns)).slice(0, columns - 1)}`);
      this.drawn = true;
    } else if (Date.now() - this.lastPlainAt >= 10_000) {
      this.lastPlainAt = Date.now();
      this.stream.write(`${visible(text(120))}\n`);
    }
  }

  clear(): void {
    if (this.drawn) this.stream.write('\r\u001b[2K');
    this.drawn = false;
  }

  /** A line of its own above the progress. */
  say(text: string): void {
    this.stream.write(`${this.drawn ? '\r\u001b[2K' : ''}${visible(text)}\n`);
    this.drawn = false;
  }
}

/** Progress of a run. */
export function runProgressText({ summary, loss, startedAt, firstStep }: Progress, columns: number): string {
  const { step, steps, state } = summary;
  const seconds = (Date.now() - startedAt) / 1000;
  const rate = seconds > 0 ? (step - firstStep) / seconds : 0;
  const left = rate > 0 && step < steps ? `, ${formatDuration((steps - step) / rate)} left` : '';
  const width = Math.max(10, Math.min(30, columns - 70));
  const filled = Math.floor((step / steps) * width);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
  const lossText = loss === null ? '' : `  loss ${loss.toFixed(4)}`;
  return `${bar} ${state} ${step}/${steps}${lossText}  ${rate.toFixed(1)} steps/s${left}`;
}
