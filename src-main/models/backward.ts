// The backward half of a training graph: gradients of what a worker holds.

import { differentiate } from '../graph/autodiff.ts';
import type { GraphBuilder, Value } from '../graph/graph.ts';
import { expand } from '../graph/ops/broadcast.ts';
import { pickHeld } from './finish.ts';
import { heldRows, type TensorPort, type TensorSpec, type TrainingOptions } from './model.ts';
import { outputPort, storeShape, type Ports } from './ports.ts';

/**
 * Names the loss, and the gradient of every parameter in the rows that are held, as outputs. A shared parameter that a subnetwork has
 * no use for, such as the norm before an attention of which no head is held, has the gradient zero.
 */
export function gradientOutputs(
  g: GraphBuilder,
  ports: Ports,
  loss: Value,
  tensors: readonly TensorSpec[],
  { granularity, masking, held }: Pick<TrainingOptions, 'granularity' | 'masking' | 'held'>,
): TensorPort[] {
  const parameters = tensors
    .filter((tensor) => tensor.kind === 'parameter')
    .map((tensor) => ({ tensor, rows: heldRows(tensor, granularity, held) }))
    .filter(({ rows }) => rows?.length !== 0);
  const read = parameters.map(({ tensor }) => tensor.name).filter((name) => ports.reads(name));
  const gradients = differentiate(
    g,
    loss,
    read.map((name) => ports.input(name)),
  );
  g.output('loss', loss);
  return parameters.map(({ tensor, rows }) => {
    const gradient = gradients[read.indexOf(tensor.name)];
    const value = gradient
      ? pickHeld(g, gradient, rows, masking)
      : expand(g, g.scalar(0), storeShape(tensor, granularity, rows));
    return outputPort(g, `grad/${tensor.name}`, tensor, rows, value);
  });
}
