// Custom operators that call cuDNN's own gradients of convolutions and its normalisation: domain sdp.cudnn, float32, on CUDA only.
//
// native/core registers them with a session. They mean what the composites of the same names mean (conv.ts, norm.ts); only lowering emits
// them, where they are allowed (lower/formulations.ts).

import type { Attributes, Op } from '../graph.ts';

export function onCudnn<A extends Attributes>({ type, infer, flops }: Pick<Op<A>, 'type' | 'infer' | 'flops'>): Op<A> {
  const notDifferentiable = 'comes after differentiation';
  return { type, infer, flops, kind: 'onnx', domain: 'sdp.cudnn', notDifferentiable };
}
