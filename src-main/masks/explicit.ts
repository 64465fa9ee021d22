// Masks that a file spells out: the workers of each block, or for each group the indices that each worker holds.
//
// Every unit needs at least one holder; how many may differ from unit to unit. What is wrong is said in one sentence that names the file.

import { UserError } from '../contract/errors.ts';
import type { UnitHolders } from '../contract/plan.ts';
import type { Masks } from '../models/model.ts';
import { masksOf, type MaskOptions, type Units } from './assign.ts';
import { unitHolders } from './connectivity.ts';

export interface ExplicitPlan {
  /** As the user named it, for messages. */
  file: string;
  units: readonly UnitHolders[];
}

type Shape = Pick<MaskOptions, 'granularity' | 'masking' | 'numWorkers'>;

export function explicitMasks(model: Units, shape: Shape, { file, units }: ExplicitPlan): Masks {
  const names = shape.granularity === 'block' ? model.blocks : model.groups.map((group) => group.id);
  for (const [index, { id }] of units.entries()) {
    if (!names.includes(id))
      throw refused(file, `names the unit ${id}, which the model does not have; its units are ${listed(names)}`);
    if (units.findIndex((unit) => unit.id === id) !== index) throw refused(file, `names the unit ${id} twice`);
  }
  const found = names.map((id) => {
    const unit = units.find((candidate) => candidate.id === id);
    if (!unit) throw refused(file, `leaves the unit ${id} without a holder`);
    return unit;
  });
  const holders =
    shape.granularity === 'block'
      ? [found.map((unit) => blockHolders(unit, shape, file))]
      : found.map((unit, group) => neuronHolders(unit, model.groups[group]!.size, shape, file));
  return masksOf(model, shape, holders);
}

function blockHolders({ id, holders = [] }: UnitHolders, { numWorkers }: Shape, file: string): number[] {
  if (holders.length === 0) throw refused(file, `leaves the unit ${id} without a holder`);
  const worker = misfit(holders, numWorkers);
  if (worker !== undefined)
    throw refused(file, `gives the unit ${id} to worker ${worker}; the workers are 0 to ${numWorkers - 1}`);
  const twice = repeated(holders);
  if (twice !== undefined) throw refused(file, `gives the unit ${id} to worker ${twice} twice`);
  return [...holders].sort((a, b) => a - b);
}

/** Holders of each neuron of a group. */
function neuronHolders({ id, held }: UnitHolders, size: number, { numWorkers }: Shape, file: string): number[][] {
  if (held?.length !== numWorkers)
    throw refused(
      file,
      `must have, as held of ${id}, a list of indices for each of ${numWorkers} workers` +
        (held ? `, got ${held.length} lists` : ''),
    );
  held.forEach((indices, worker) => {
    const index = misfit(indices, size);
    if (index !== undefined)
      throw refused(file, `gives worker ${worker} the index ${index} of ${id}; its indices are 0 to ${size - 1}`);
    const twice = repeated(indices);
    if (twice !== undefined) throw refused(file, `gives worker ${worker} the index ${twice} of ${id} twice`);
  });
  const holders: number[][] = Array.from({ length: size }, () => []);
  held.forEach((indices, worker) => indices.forEach((index) => holders[index]!.push(worker)));
  const alone = holders.findIndex((workers) => workers.length === 0);
  if (alone >= 0) throw refused(file, `leaves index ${alone} of ${id} without a holder`);
  return holders;
}

/** How many workers hold a unit: fewest, most, and the mean over the units. */
export function coverageOf(model: Units, masks: Masks): { least: number; most: number; mean: number } {
  const counts = unitHolders(model, masks).map((holders) => holders.length);
  return {
    least: counts.reduce((least, count) => Math.min(least, count), Infinity),
    most: counts.reduce((most, count) => Math.max(most, count), 0),
    mean: counts.reduce((sum, count) => sum + count, 0) / counts.length,
  };
}

const misfit = (values: readonly number[], count: number) =>
  values.find((value) => !Number.isInteger(value) || value < 0 || value >= count);

function repeated(values: readonly number[]): number | undefined {
  const seen = new Set<number>();
  return values.find((value) => seen.size === seen.add(value).size);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown}, ... (${names.length} in all)` : shown;
}

function refused(file: string, problem: string): UserError {
  return new UserError('configuration', `the plan ${file} ${problem}`, { key: 'subnetworks.plan' });
}
