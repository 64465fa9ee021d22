// Kernel and entries of every operator, in float64 and for tests only: the product does without them, and what they check has no part in them.

import { operators, type OperatorName } from '../../graph/ops/index.ts';
import type { Op } from '../../graph/graph.ts';
import { convolutionTests } from './convolution.ts';
import { elementwiseTests } from './elementwise.ts';
import type { Kernel, OperatorTest } from './kernel.ts';
import { movementTests } from './movement.ts';
import { normalisationTests } from './normalisation.ts';
import { transformerTests } from './transformer.ts';

export const operatorTests: Readonly<Record<OperatorName, OperatorTest>> = {
  ...elementwiseTests,
  ...movementTests,
  ...convolutionTests,
  ...normalisationTests,
  ...transformerTests,
};

const kernels = new Map<Op, Kernel>(
  Object.entries(operators).map(([name, op]) => [op, operatorTests[name as OperatorName].kernel]),
);

export function kernelOf(op: Op): Kernel {
  const kernel = kernels.get(op);
  if (!kernel) throw new Error(`${op.type} is not among the operators of graph/ops/index.ts`);
  return kernel;
}
