// Declares a model's tensors as inputs of a graph, on first use, and collects the ports that say how to bind them.
//
// Inputs have the store layout (masked axis first under neuron granularity); `value` gives them back in library layout.

import type { GraphBuilder, Value } from '../graph/graph.ts';
import { invertPermutation, transpose } from '../graph/ops/movement.ts';
import { storeAxis, type Granularity, type TensorPort, type TensorSpec } from './model.ts';

/** Rows of the store layout: those listed, or all (null). */
export type Rows = readonly number[] | null;

export class Ports {
  readonly inputs: TensorPort[] = [];
  private readonly specs: ReadonlyMap<string, TensorSpec>;
  private readonly stored = new Map<string, Value>();

  /** `rowsOf`: rows of a tensor that the graph reads. */
  constructor(
    private readonly g: GraphBuilder,
    specs: readonly TensorSpec[],
    private readonly granularity: Granularity,
    private readonly rowsOf: (spec: TensorSpec) => Rows,
  ) {
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
  }

  spec(name: string): TensorSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`the model has no tensor ${name}`);
    return spec;
  }

  /** Whether the graph has an input for a tensor already. */
  reads(name: string): boolean {
    return this.stored.has(name);
  }

  /** The graph input of a tensor, in store layout. */
  input(name: string): Value {
    const known = this.stored.get(name);
    if (known) return known;
    const spec = this.spec(name);
    const rows = this.rowsOf(spec);
    const shape = storeShape(spec, this.granularity, rows);
    const value = this.g.input(name, 'float32', shape);
    this.stored.set(name, value);
    this.inputs.push({ port: name, tensor: name, rows, shape });
    return value;
  }

  /** A tensor in library layout. */
  value(name: string): Value {
    const stored = this.input(name);
    const axis = storeAxis(this.spec(name), this.granularity);
    return axis ? transpose(this.g, stored, invertPermutation(axisFirst(stored.shape.length, axis))) : stored;
  }
}

/** Names `value` as an output for rows of a tensor. */
export function outputPort(g: GraphBuilder, port: string, spec: TensorSpec, rows: Rows, value: Value): TensorPort {
  g.output(port, value);
  return { port, tensor: spec.name, rows, shape: [...value.shape] };
}

export function storeShape(spec: TensorSpec, granularity: Granularity, rows: Rows): number[] {
  const axis = storeAxis(spec, granularity);
  if (axis === null) return [...spec.shape];
  const shape = axisFirst(spec.shape.length, axis).map((from) => spec.shape[from]!);
  return [rows?.length ?? shape[0]!, ...shape.slice(1)];
}

/** Permutation that moves an axis to the front. */
const axisFirst = (rank: number, axis: number): number[] => [
  axis,
  ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis),
];
