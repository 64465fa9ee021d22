// What a test of an operator consists of, and what kernels are made of: the plainest arithmetic in float64.

import { sizeOf, type Attributes, type GraphBuilder, type Node, type Shape, type Value } from '../../graph/graph.ts';
import type { TestTensor } from '../runOnnx.ts';

export type Kernel = (inputs: readonly TestTensor[], attributes: Attributes, node: Node) => TestTensor[];

/** A small graph that the table test (graph/ops/ops.test.ts) runs on every provider and differentiates. */
export interface Entry {
  what: string;
  /** Shapes of random float32 inputs. */
  inputs: Shape[];
  build(g: GraphBuilder, ...inputs: Value[]): Value;
  /** The gradient is one of several, so finite differences do not apply. */
  ambiguous?: boolean;
  /** With what words a gradient rule that does not hold here refuses. */
  refuses?: string;
  /** Applied to the numbers of all inputs. */
  domain?: (x: number) => number;
}

export interface OperatorTest {
  kernel: Kernel;
  /** Absent where the operator is in the graphs of others: gradients, and what composites are lowered to. */
  entries?: Entry[];
}

export type OperatorTests = Readonly<Record<string, OperatorTest>>;

export const stridesOf = (shape: Shape): number[] => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** Position of each axis for every element in row-major order. */
export function* positions(shape: Shape): Generator<number[]> {
  const position = shape.map(() => 0);
  for (let i = 0; i < sizeOf(shape); i++) {
    yield position;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      if (position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
}

export function generate(shape: Shape, at: (position: readonly number[]) => number): TestTensor {
  const data = new Float64Array(sizeOf(shape));
  let i = 0;
  for (const position of positions(shape)) data[i++] = at(position);
  return { shape, data };
}

/** Element at a position, broadcasting. */
export function read({ shape, data }: TestTensor, position: readonly number[]): number {
  const lead = position.length - shape.length;
  const strides = stridesOf(shape);
  return data[
    shape.reduce((sum, extent, axis) => sum + (extent === 1 ? 0 : position[axis + lead]! * strides[axis]!), 0)
  ]!;
}

export const elementwise =
  (compute: (...operands: number[]) => number): Kernel =>
  (inputs, _, node) => [
    generate(node.outputs[0]!.shape, (position) => compute(...inputs.map((x) => read(x, position)))),
  ];

/** Calls `compute` for each row of the last axis with its elements in all inputs; gives the rows of each output. */
export function byRow(compute: (rows: number[][], row: number) => number[][]): Kernel {
  return (inputs, _, node) => {
    const rows = sizeOf(inputs[0]!.shape.slice(0, -1));
    const results: number[][] = node.outputs.map(() => []);
    for (let row = 0; row < rows; row++) {
      const parts = inputs.map(({ data }) => {
        const width = data.length / rows;
        return Array.from({ length: width }, (_, i) => data[row * width + i]!);
      });
      compute(parts, row).forEach((part, i) => results[i]!.push(...part));
    }
    return results.map((data, i) => ({ shape: node.outputs[i]!.shape, data }));
  };
}

export const copy: Kernel = ([x], _, node) => [{ shape: node.outputs[0]!.shape, data: x!.data }];

export const int64 = (g: GraphBuilder, data: number[], shape: number[] = [data.length]) =>
  g.constant('int64', shape, data);

export const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
