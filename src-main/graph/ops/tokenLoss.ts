// Cross-entropy of a linear layer over a vocabulary, as one operator: its gradient needs no one-hot matrix.
//
// z = h wT, loss = log sum exp(z) - z[label] per row. Shape legend: N rows, D features, V vocabulary.

import { sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { reduceSum } from './broadcast.ts';
import { cast, equal, exp, log, mul, neg, sub } from './elementwise.ts';
import { addRows, gather, gatherElements } from './indexing.ts';
import { gemm } from './linalg.ts';
import { reduceMax } from './reduction.ts';
import { reshape } from './reshape.ts';
import { logSoftmax } from './softmax.ts';

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
  saves: { inputs: [0, 1, 2], outputs: [1] },
  gradient({ g, saved: [h, w, label, logProbability], inputs, outputGradients }) {
    if (outputGradients[1]) throw shapeError('LinearCrossEntropy', 'no gradient goes through output 1', inputs);
    return [...g.add(LinearCrossEntropyGradient, [h!, w!, label!, outputGradients[0]!, logProbability!], {}), null];
  },
  lower(g, { inputs }, provider) {
    const [h, w, label] = inputs as [Value, Value, Value];
    const logits = gemm(g, h, w, { transA: 0, transB: 1 });
    const logProbability = provider === 'cpu' ? logSoftmax(g, logits) : spelledLogSoftmax(g, logits);
    const rows = label.shape[0]!;
    const picked = gatherElements(g, logProbability, reshape(g, label, [rows, 1]), 1);
    return [neg(g, reshape(g, picked, [rows])), logProbability];
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
  lower(g, { inputs }, provider) {
    const [h, w, label, dloss, logProbability] = inputs as [Value, Value, Value, Value, Value];
    const factor = reshape(g, dloss, [dloss.shape[0]!, 1]);
    const p = exp(g, logProbability);
    if (provider === 'cuda') {
      // Nothing is scattered, as in the gradient of a Gather; and the gradient of the logits is made once for both products.
      const classes = g.constant('int64', [1, w.shape[0]!], [...Array(w.shape[0]).keys()]);
      const oneHot = cast(g, equal(g, reshape(g, label, [label.shape[0]!, 1]), classes), 'float32');
      const dlogits = mul(g, sub(g, p, oneHot), factor);
      return [gemm(g, dlogits, w, { transA: 0, transB: 0 }), gemm(g, dlogits, h, { transA: 1, transB: 0 })];
    }
    const scaled = mul(g, h, factor);
    const dh = mul(g, factor, sub(g, gemm(g, p, w, { transA: 0, transB: 0 }), gather(g, w, label, 0)));
    const dw = addRows(g, gemm(g, p, scaled, { transA: 1, transB: 0 }), label, neg(g, scaled), provider);
    return [dh, dw];
  },
};

function spelledLogSoftmax(g: GraphBuilder, x: Value): Value {
  const last = [x.shape.length - 1];
  const shifted = sub(g, x, reduceMax(g, x, last, true));
  return sub(g, shifted, log(g, reduceSum(g, exp(g, shifted), last, true)));
}

export const linearCrossEntropy = (g: GraphBuilder, h: Value, w: Value, label: Value): Value =>
  g.add(LinearCrossEntropy, [h, w, label], {})[0]!;

export const tokenLossOps = { LinearCrossEntropy, LinearCrossEntropyGradient };
