// Positions of the sliders of the form: numbers of workers that divide the batch into whole micro-batches, and every coverage that they allow.

import type { FormValues } from './fields.ts';

const mostWorkers = 64;

/** Values that a field's slider stops at; undefined for a field without one. */
export function stopsOf(key: string, values: FormValues): number[] | undefined {
  if (key === 'subnetworks.workers')
    return divisors(Number(values['training.batch']) / Number(values['training.accumulation']));
  if (key === 'subnetworks.coverage') return upTo(Number(values['subnetworks.workers']));
  return undefined;
}

/** What else changes with a field: a coverage above the number of workers has no meaning. */
export function withConsequences(id: string, value: FormValues[string], values: FormValues): FormValues {
  const next = { ...values, [id]: value };
  const [workers, coverage] = [Number(next['subnetworks.workers']), Number(next['subnetworks.coverage'])];
  if (id !== 'subnetworks.workers' || !(workers >= 1) || !(coverage > workers)) return next;
  return { ...next, 'subnetworks.coverage': String(workers) };
}

function divisors(batch: number): number[] {
  if (!Number.isInteger(batch) || batch < 1) return [];
  return upTo(Math.min(batch, mostWorkers)).filter((count) => batch % count === 0);
}

function upTo(most: number): number[] {
  return Number.isInteger(most) && most >= 1 && most <= 256
    ? Array.from({ length: most }, (_, index) => index + 1)
    : [];
}
