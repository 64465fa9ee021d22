// The custom operator that begins to copy tensors to the host once they are computed: domain sdp.copies, float32, on CUDA only.
//
// native/core registers it with a session (native/core/src/publish.rs). It computes nothing; passes/publish.ts adds its nodes.

import { add1, type GraphBuilder, type Op, type Value } from '../graph.ts';

/** Inputs: outputs of the graph. Output: a number that nobody reads, since a node needs one. */
export const Publish: Op<Record<string, never>> = {
  type: 'Publish',
  kind: 'onnx',
  domain: 'sdp.copies',
  notDifferentiable: 'added behind differentiation',
  flops: () => 0,
  infer: () => [{ dtype: 'float32', shape: [1] }],
};

export const publish = (g: GraphBuilder, values: readonly Value[]): Value => add1(g, Publish, values, {});
