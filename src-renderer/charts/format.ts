// Numbers as people read them: SI units, sizes of memory, durations, shares. A value that is not finite is said in words, never left out.

import { formatBytes as formatSize } from '../../src-main/contract/bytes.ts';

import type { Unit } from '../../src-main/contract/series.ts';

const SI = ['', 'k', 'M', 'G', 'T', 'P'];

/** Three significant digits with an SI prefix: 11.2 M. */
export function formatSi(value: number, unit = ''): string {
  if (!Number.isFinite(value)) return notFinite(value);
  let scaled = Math.abs(value);
  let prefix = 0;
  while (scaled >= 999.5 && prefix < SI.length - 1) {
    scaled /= 1000;
    prefix++;
  }
  const digits = prefix === 0 && Number.isInteger(scaled) ? 0 : scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  const suffix = `${SI[prefix]}${unit}`;
  return `${value < 0 ? '−' : ''}${scaled.toFixed(digits)}${suffix ? `\u00a0${suffix}` : ''}`;
}

/** As the command line writes them: 1.5 GiB. */
export function formatBytes(bytes: number): string {
  return Number.isFinite(bytes) ? formatSize(bytes).replace(' ', '\u00a0') : notFinite(bytes);
}

/** Factor between two units of a format: its round values are 1, 2 and 5 times powers of ten, or powers of two. */
export const baseOf = (format: (value: number) => string): 2 | 10 => (format === formatBytes ? 2 : 10);

const integers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatInteger(value: number): string {
  return Number.isFinite(value) ? integers.format(Math.round(value)) : notFinite(value);
}

/** Four significant digits, for losses and learning rates. */
export function formatFigure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return notFinite(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** A share as a percentage with two decimals: 97.31 %. */
export function formatShare(value: number | null): string {
  return value === null || !Number.isFinite(value) ? notFinite(value) : `${(value * 100).toFixed(2)}\u00a0%`;
}

/** The same as short as it can be said, for axes: 80 %, 97.3 %. */
export function formatShareTick(value: number): string {
  return `${Number((value * 100).toFixed(2))}\u00a0%`;
}

/** 340 ms, 4.2 s, 1 min 05 s, 2 h 03 min, 3 d 4 h. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return notFinite(seconds);
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00a0s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${pad(whole % 60)}\u00a0s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}\u00a0h ${pad(minutes % 60)}\u00a0min`;
  return `${Math.floor(minutes / 1440)}\u00a0d ${Math.floor((minutes % 1440) / 60)}\u00a0h`;
}

export function formatMilliseconds(value: number): string {
  return formatDuration(value / 1000);
}

/** Steps per second, or seconds per step where that is slower than one. */
export function formatRate(stepMs: number): string {
  if (!Number.isFinite(stepMs) || stepMs <= 0) return '–';
  return stepMs > 1000
    ? `${(stepMs / 1000).toPrecision(3)}\u00a0s/step`
    : `${(1000 / stepMs).toPrecision(3)}\u00a0steps/s`;
}

/** How long ago, coarse: just now, 5 min ago, 3 h ago, 2 d ago. */
export function formatAgo(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}\u00a0h ago`;
  return `${Math.floor(seconds / 86400)}\u00a0d ago`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

function notFinite(value: number | null): string {
  return value === null || Number.isNaN(value) ? 'not finite' : value > 0 ? '+infinity' : '−infinity';
}

/** Values of a series on an axis. */
export const formatOfUnit: Record<Unit, (value: number) => string> = {
  '': formatFigure,
  ms: formatMilliseconds,
  share: formatShareTick,
};

/** The figure that an evaluation is judged by: perplexity of a language model, else accuracy. */
export function formatMetric({ accuracy, perplexity }: { accuracy: number | null; perplexity: number | null }): string {
  if (perplexity !== null) return formatFigure(perplexity);
  return accuracy === null ? '–' : formatShare(accuracy);
}

export const metricName = ({ perplexity }: { perplexity: number | null }): 'accuracy' | 'perplexity' =>
  perplexity === null ? 'accuracy' : 'perplexity';

/** What a dataset counts. */
export const contentName = ({ kind }: { kind: 'images' | 'tokens' }): string =>
  kind === 'images' ? 'samples' : 'tokens';
