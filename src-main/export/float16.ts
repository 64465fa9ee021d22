// A model that stores and computes in float16, for runtimes and devices that do so faster; its inputs and outputs stay as they are.
//
// Means, and what is computed of them and constants alone (an epsilon, a root), stay float32: squares of what float16 holds are more than it
// holds. So do counts of tokens: float16 has not all integers above 2,048.

import { GraphBuilder, type Graph, type Node, type Value } from '../graph/graph.ts';
import { toFloat16s } from '../graph/float16.ts';
import { CumSum } from '../graph/ops/cumSum.ts';
import { Add, Cast, cast, Div, Mul, Sqrt } from '../graph/ops/elementwise.ts';
import { ReduceMean } from '../graph/ops/reduction.ts';
import { floatsOf, type Form, type Weights } from './exportedForm.ts';

type Float = 'float32' | 'float16';

export function inFloat16({ graph, weights }: Form): Form {
  const g = new GraphBuilder(graph.name, { ...graph, inputs: [], outputs: [], constants: [], nodes: [] });
  const forms = new Map<Value, Partial<Record<Float, Value>>>();
  const others = new Map<Value, Value>();
  const keep = (original: Value, value: Value) => {
    if (value.dtype === 'float32' || value.dtype === 'float16') forms.set(original, { [value.dtype]: value });
    else others.set(original, value);
  };
  const as = (original: Value, dtype: Float): Value => {
    const form = forms.get(original);
    if (!form) return others.get(original)!;
    return (form[dtype] ??= cast(g, (form.float32 ?? form.float16)!, dtype));
  };
  const stored = new Map(weights);
  for (const input of graph.inputs) {
    const bytes = weights.get(input.name);
    const isStored = bytes !== undefined && input.dtype === 'float32';
    keep(input, g.input(input.name, isStored ? 'float16' : input.dtype, input.shape));
    if (isStored) stored.set(input.name, async () => halves(await bytes()));
  }
  for (const { value, data } of graph.constants) {
    if (value.dtype !== 'float32') others.set(value, g.constant(value.dtype, value.shape, data));
    else
      forms.set(value, {
        float32: g.constant('float32', value.shape, data),
        float16: g.constant('float16', value.shape, data),
      });
  }
  const wide = inFloat32(graph);
  for (const node of graph.nodes) {
    g.scope = node.scope;
    const dtype = wide.has(node) ? 'float32' : 'float16';
    const inputs = node.inputs.map((input) => as(input, dtype));
    const outputs = isToFloat(node) ? [cast(g, inputs[0]!, dtype)] : g.add(node.op, inputs, node.attributes);
    node.outputs.forEach((output, at) => keep(output, outputs[at]!));
  }
  g.scope = '';
  for (const { name, value } of graph.outputs) g.output(name, as(value, 'float32'));
  return { graph: g.build(), weights: stored satisfies Weights };
}

const isToFloat = ({ op, outputs }: Node): boolean => op.type === Cast.type && outputs[0]!.dtype === 'float32';

const halves = (bytes: Uint8Array): Uint8Array => new Uint8Array(toFloat16s(floatsOf(bytes)).buffer);

/** Nodes that compute in float32. */
function inFloat32(graph: Graph): Set<Node> {
  const wide = new Set<Node>();
  const wideValues = new Set<Value>();
  const constants = new Set(graph.constants.map(({ value }) => value));
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  for (const node of graph.nodes) {
    const { op, inputs } = node;
    const follows =
      [Add.type, Mul.type, Div.type, Sqrt.type].includes(op.type) &&
      inputs.some((input) => wideValues.has(input)) &&
      inputs.every((input) => wideValues.has(input) || constants.has(input));
    if (op.type !== ReduceMean.type && op.type !== CumSum.type && !follows) continue;
    wide.add(node);
    node.outputs.forEach((output) => wideValues.add(output));
    const square = producers.get(inputs[0]!);
    if (op.type === ReduceMean.type && square?.op.type === Mul.type) wide.add(square);
  }
  return wide;
}
