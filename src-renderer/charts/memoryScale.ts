// Stacked bars of memory on one scale: what they are made of, and how far the scale reaches.

import { memoryBytes, type MemoryBytes } from '../../src-main/contract/plan.ts';

export type MemoryCategory = Exclude<keyof MemoryBytes, 'total'>;

/** In the order of the stack. */
export const memoryCategories = Object.keys(memoryBytes.shape).filter((name) => name !== 'total') as MemoryCategory[];

/** A capacity is on the scale where it is not so far away that the bars would shrink to nothing. */
const farthest = 2.5;

export function memoryScale(totals: readonly number[], capacities: readonly number[]): number {
  const most = Math.max(1, ...totals);
  const near = capacities.filter((capacity) => capacity <= farthest * most);
  return Math.max(most, ...near);
}
