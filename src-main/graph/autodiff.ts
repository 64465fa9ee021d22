// Reverse-mode differentiation of a graph under construction.
//
// Adds backward nodes after the forward ones; the forward part is never changed. Only nodes on a path from a parameter to the loss get
// gradients. A value used n times gets a chain of n - 1 Adds, in the order of the uses from last to first, so results do not depend on
// traversal. Rules live in ops/; of the values of the forward pass a rule gets those alone that its operator says it saves. Checked against
// finite differences in autodiff.test.ts and against the reference cases.

import { sizeOf, type GraphBuilder, type Node, type Value } from './graph.ts';
import { add } from './ops/elementwise.ts';
import { expand } from './ops/broadcast.ts';

/**
 * Gradients of a scalar loss with respect to the parameters, in their order. A parameter that the loss does not depend on is a bug, or has
 * the gradient zero where `independent` says so.
 */
export function differentiate(
  g: GraphBuilder,
  loss: Value,
  parameters: readonly Value[],
  independent: 'bug' | 'zero' = 'bug',
): Value[] {
  if (sizeOf(loss.shape) !== 1 || loss.dtype !== 'float32')
    throw new Error(`the loss ${loss.name} is not a float32 scalar`);
  const forward = g.nodes.slice();
  const active = dependents(forward, parameters);
  const gradients = new Map<Value, Value>([[loss, g.constant('float32', loss.shape, [1])]]);
  for (const node of forward.reverse()) {
    if (node.outputs.some((output) => active.has(output) && gradients.has(output)))
      propagate(g, node, active, gradients);
  }
  g.scope = '';
  return parameters.map((parameter) => {
    const gradient = gradients.get(parameter);
    if (gradient) return gradient;
    if (independent === 'bug') throw new Error(`the loss does not depend on ${parameter.name}`);
    return expand(g, g.scalar(0), parameter.shape);
  });
}

/** Parameters and every float value computed from them. */
function dependents(nodes: readonly Node[], parameters: readonly Value[]): Set<Value> {
  const active = new Set(parameters);
  for (const node of nodes) {
    if (!node.inputs.some((input) => active.has(input))) continue;
    for (const output of node.outputs) if (output.dtype === 'float32') active.add(output);
  }
  return active;
}

/** Adds the gradients of a node's inputs to those known. */
function propagate(g: GraphBuilder, node: Node, active: ReadonlySet<Value>, gradients: Map<Value, Value>): void {
  const { op, inputs, outputs, attributes } = node;
  if (!op.gradient) throw new Error(`${op.type} (${outputs[0]!.name}) has no gradient: ${op.notDifferentiable}`);
  g.scope = node.scope;
  const outputGradients = outputs.map((output) => gradients.get(output) ?? null);
  const wanted = inputs.map((input) => active.has(input));
  const saved = savedOf(node);
  const inputGradients = op.gradient({ g, saved, inputs, outputs, attributes, outputGradients, wanted });
  inputs.forEach((input, i) => {
    const gradient = inputGradients[i];
    if (!gradient || !wanted[i]) return;
    const sum = gradients.get(input);
    gradients.set(input, sum ? add(g, sum, gradient) : gradient);
  });
}

/** Values of the forward pass that the gradient rule of a node may read. */
function savedOf({ op, inputs, outputs }: Node): Value[] {
  const { inputs: read = [], outputs: written = [] } = op.saves ?? {};
  return [...read.map((i) => inputs[i]!), ...(written === 'all' ? outputs : written.map((i) => outputs[i]!))];
}
