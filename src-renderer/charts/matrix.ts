// Geometry of the mask matrix: heights of its rows, neuron groups as strips (which indices a worker holds, as one SVG path, x in indices), and
// which cell a key leads to.

/** Runs of consecutive indices of a sorted list, as [first, count]. */
export function runsOf(indices: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === index) last[1]++;
    else runs.push([index, 1]);
  }
  return runs;
}

export function stripPath(indices: readonly number[]): string {
  return runsOf(indices)
    .map(([first, count]) => `M${first} 0h${count}v1h${-count}z`)
    .join('');
}

/** Heights of rows: a least height each, and a share of `extra` by the square root of their sizes, so that small ones stay visible. */
export function rowHeights(sizes: readonly number[], least: number, extra: number, most: number): number[] {
  const roots = sizes.map(Math.sqrt);
  const total = roots.reduce((sum, root) => sum + root, 0);
  return roots.map((root) => Math.min(most, least + (total > 0 ? (extra * root) / total : 0)));
}

/** The cell next to `from` ([row, column]) in a grid of that size; null for a key that does not move. At an edge it stays. */
export function moveCell(
  key: string,
  [row, column]: readonly [number, number],
  [rows, columns]: readonly [number, number],
): [number, number] | null {
  switch (key) {
    case 'ArrowUp':
      return [Math.max(0, row - 1), column];
    case 'ArrowDown':
      return [Math.min(rows - 1, row + 1), column];
    case 'ArrowLeft':
      return [row, Math.max(0, column - 1)];
    case 'ArrowRight':
      return [row, Math.min(columns - 1, column + 1)];
    case 'Home':
      return [row, 0];
    case 'End':
      return [row, columns - 1];
    default:
      return null;
  }
}
