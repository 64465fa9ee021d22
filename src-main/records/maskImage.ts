// The mask matrix as a picture: a row per unit, a column per worker, dark where the worker holds it. The cell of a group of neurons has them from
// left to right.

import type { Plan } from '../contract/plan.ts';
import type { GreyImage } from '../export/png.ts';

/** Pixels: of a cell at most and at least, and of the picture that cells become smaller for. */
const cell = { width: { most: 32, least: 4 }, height: { most: 12, least: 1 } };
const most = 2048;
const line = 208;

const extentOf = (count: number, { most: largest, least }: { most: number; least: number }): number =>
  Math.min(largest, Math.max(least, Math.floor(most / count)));

export function maskImage({ units, numWorkers }: Pick<Plan, 'units' | 'numWorkers'>): GreyImage {
  const [cellWidth, cellHeight] = [extentOf(numWorkers, cell.width), extentOf(units.length, cell.height)];
  const [width, height] = [numWorkers * cellWidth, units.length * cellHeight];
  const pixels = new Uint8Array(width * height);
  units.forEach((unit, row) => {
    const shades = new Uint8Array(width);
    const groups = unit.held && partSizes(unit.size, cellWidth - 1);
    for (let worker = 0; worker < numWorkers; worker += 1) {
      const end = (worker + 1) * cellWidth - 1;
      const inside = shades.subarray(worker * cellWidth, end);
      if (groups) inside.set(shadesOf(unit.held![worker]!, unit.size, groups, inside.length));
      else inside.fill(unit.holders.includes(worker) ? 0 : 255);
      shades[end] = line;
    }
    for (let y = 0; y < cellHeight; y += 1) pixels.set(shades, (row * cellHeight + y) * width);
    if (cellHeight >= 4) pixels.fill(line, ((row + 1) * cellHeight - 1) * width, (row + 1) * cellHeight * width);
  });
  return { width, height, pixels };
}

const partOf = (unit: number, size: number, parts: number): number => Math.floor((unit * parts) / size);

/** Of a group's units in order, how many are in each of as many parts as a cell can show. */
function partSizes(size: number, width: number): number[] {
  const parts = Math.min(size, width);
  const sizes = new Array<number>(parts).fill(0);
  for (let unit = 0; unit < size; unit += 1) sizes[partOf(unit, size, parts)]! += 1;
  return sizes;
}

/** Of a cell's pixels, from the share of the units behind each that is held. */
function shadesOf(held: readonly number[], size: number, sizes: readonly number[], width: number): Uint8Array {
  const parts = sizes.length;
  const counts = new Array<number>(parts).fill(0);
  for (const unit of held) counts[partOf(unit, size, parts)]! += 1;
  const shades = counts.map((count, part) => Math.round(255 * (1 - count / sizes[part]!)));
  return Uint8Array.from({ length: width }, (_, x) => shades[partOf(x, width, parts)]!);
}
