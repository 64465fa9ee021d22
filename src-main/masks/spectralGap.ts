// How fast averaging mixes the workers: 1 minus the second-largest eigenvalue of sum(s_u P_u) / sum(s_u).
//
// s_u is the number of scalars of unit u; P_u, workers by workers, averages over the unit's holders and leaves the others as they are. What
// is in no unit is a unit that all hold. 1: one averaging makes all workers equal (all hold everything); 0: some workers never share
// anything. The matrix is symmetric and its rows sum to 1, so its largest eigenvalue is 1.

import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

export interface WeightedUnit {
  scalars: number;
  holders: readonly number[];
}

export function spectralGap(units: readonly WeightedUnit[], numWorkers: number): number {
  if (numWorkers === 1) return 1;
  const mixing = mixingMatrix(units, numWorkers);
  const eigenvalues = new EigenvalueDecomposition(mixing, { assumeSymmetric: true }).realEigenvalues;
  const second = [...eigenvalues].sort((a, b) => b - a)[1]!;
  return Math.min(1, Math.max(0, 1 - second));
}

function mixingMatrix(units: readonly WeightedUnit[], numWorkers: number): Matrix {
  const total = units.reduce((sum, { scalars }) => sum + scalars, 0);
  const mixing = Matrix.eye(numWorkers);
  const add = (row: number, column: number, value: number) => mixing.set(row, column, mixing.get(row, column) + value);
  for (const { scalars, holders } of units) {
    const weight = scalars / total;
    for (const holder of holders) {
      add(holder, holder, -weight);
      for (const other of holders) add(holder, other, weight / holders.length);
    }
  }
  return mixing;
}
