// Cross-entropy of a linear layer over a vocabulary, as one operator: its gradient needs no one-hot matrix.
//
// z = h wT, loss = log sum exp(z) - z[label] per row. Shape legend: N rows, D features, V vocabulary.

import { sameShape, shapeError, sizeOf, type Attributes, type GraphBuilder, type Op, type Value } from '../graph.ts';

type NoAttributes = Record<string, never>;

function requireRows(type: string, inputs: readonly Value[]): [number, number] {
  const [h, w, label] = inputs;
  const [rows, features] = h!.shape as [number, number];
  const fits = h!.shape.length === 2 && w!.shape.length === 2 && w!.shape[1] === features;
  if (!fits || label?.dtype !== 'int64' || !sameShape(label.shape, [rows]))
    throw shapeError(type, 'rows, weight or labels do not fit', inputs);
  return [rows, w!.shape[0]!];
}

/** Composite. Inputs: h [N,D], w [V,D], label [N] (int64, in range). Outputs: loss [N], and log-probabilities [N,V] that the gradient reads. */
export const LinearCrossEntropy: Op<NoAttributes> = {
  type: 'LinearCrossEntropy',
  kind: 'composite',
  infer(inputs) {
    const [rows, vocabulary] = requireRows('LinearCrossEntropy', inputs);
    const { dtype } = inputs[0]!;
    return [
      { dtype, shape: [rows] },
      { dtype, shape: [rows, vocabulary] },
    ];
  },
  flops: ({ inputs, outputs }) => sizeOf(outputs[1]!.shape) * (2 * inputs[0]!.shape[1]! + 5),
  gradient({ g, inputs, outputs, outputGradients }) {
    if (outputGradients[1]) throw shapeError('LinearCrossEntropy', 'no gradient goes through output 1', inputs);
    return [...g.add(LinearCrossEntropyGradient, [...inputs, outputGradients[0]!, outputs[1]!], {}), null];
  },
};

/**
 * Composite. Inputs: h, w, label, dloss [N], log-probabilities. Outputs: dh, dw.
 * With p = exp(log-probabilities): dh = dloss (p w - w[label]), and dw = pT (dloss h) with dloss h taken from row label of it.
 */
export const LinearCrossEntropyGradient: Op<NoAttributes> = {
  type: 'LinearCrossEntropyGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const [rows, vocabulary] = requireRows('LinearCrossEntropyGradient', inputs);
    const [h, w, , dloss, logProbability] = inputs;
    if (!sameShape(dloss!.shape, [rows]) || !sameShape(logProbability!.shape, [rows, vocabulary]))
      throw shapeError('LinearCrossEntropyGradient', 'gradient or probabilities do not fit', inputs);
    return [h!, w!].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  flops: ({ inputs }) => sizeOf(inputs[4]!.shape) * (4 * inputs[0]!.shape[1]! + 1),
};

export const linearCrossEntropy = (g: GraphBuilder, h: Value, w: Value, label: Value): Value =>
  g.add(LinearCrossEntropy, [h, w, label], {})[0]!;

export const tokenLossOps = [LinearCrossEntropy, LinearCrossEntropyGradient] as Op<Attributes>[];
