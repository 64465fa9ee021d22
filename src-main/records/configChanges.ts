// What of a run's configuration has changed since its steps so far were trained, as far as it changes results.

import { deviceEntries, type RunConfig } from '../contract/runConfig.ts';

/** What a run was trained with: its configuration, and the text of its file that says who holds what. */
export interface Trained {
  config: RunConfig;
  units: string | null;
}

/** Keys, or sections with a dot behind, that change no result; devices and steps are looked at more closely. */
const harmless = ['name', 'checkpoint.', 'evaluation.every', 'training.recompute', 'devices'];

/** One phrase for each change, such as `training.seed from 0 to 1`. */
export function changesOfResults(before: Trained, now: Trained): string[] {
  const [old, current] = [leaves(before.config), leaves(now.config)];
  const keys = [...new Set([...old.keys(), ...current.keys()])].filter(
    (key) => !harmless.some((one) => key === one || (one.endsWith('.') && key.startsWith(one))),
  );
  const endless = [before, now].every(({ config }) => ['constant', 'step'].includes(config.training.schedule));
  const changes = keys
    .filter((key) => old.get(key) !== current.get(key) && !(key === 'training.steps' && endless))
    .map((key) => `${key} from ${old.get(key) ?? 'none'} to ${current.get(key) ?? 'none'}`);
  if (before.units !== now.units) changes.push('the units of subnetworks.plan');
  const [wereOn, areOn] = [arithmetic(before.config), arithmetic(now.config)];
  if (wereOn !== areOn) changes.push(`devices from ${wereOn} to ${areOn}`);
  return changes;
}

/** Values by their dotted keys, as JSON; lists are values. */
function leaves(value: unknown, prefix = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map(value === undefined ? [] : [[prefix, JSON.stringify(value)]]);
  const below = Object.entries(value).flatMap(([key, inner]) => [
    ...leaves(inner, prefix === '' ? key : `${prefix}.${key}`),
  ]);
  return new Map(below);
}

/** The part of the devices that results depend on: their kinds and threads, not their number. */
function arithmetic(config: RunConfig): string {
  const entries = deviceEntries(config);
  if (entries.length === 0) return 'auto';
  const threads = (own: number | undefined) =>
    own === undefined ? `1/${entries.length} of the cores` : `${own} threads`;
  const kinds = entries.map(({ id, threads: own }) =>
    id.startsWith('cpu:') ? `cpu with ${threads(own)}` : id.split(':')[0]!,
  );
  return [...new Set(kinds)].sort().join(', ');
}
