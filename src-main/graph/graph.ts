// Typed intermediate representation over ONNX operators, and its builder.
//
// A graph is a list of nodes in execution order; each value is produced once and has a static shape and dtype, inferred by the rule of
// its operator (ops/). Operators of kind `composite` (gradients of convolutions, normalisation, ...) have no ONNX counterpart: they are
// lowered for an execution provider (lower/lower.ts) before a graph is planned or written.
// Node order is creation order, so the same calls give the same graph; passes keep it.

import type { LoweringOptions } from './lower/formulations.ts';

export type DType = 'float32' | 'float16' | 'uint8' | 'int32' | 'int64' | 'bool';
export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor of the graph; identity is the object. `name` is unique within the graph. */
export interface Value extends TensorType {
  readonly name: string;
}

export type AttributeValue = number | string | readonly number[];
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

export interface Node<A extends Attributes = Attributes> {
  readonly op: Op<A>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: A;
  /** Part of the model that the node belongs to, such as `layer1.0.conv1`; gradients carry the scope of what they differentiate. */
  readonly scope: string;
}

/** What a graph is to run on; `any`: standard ONNX operators only, for files that leave the app. */
export type ExecutionProvider = 'cpu' | 'webgpu' | 'cuda' | 'any';

/** What a gradient rule reads of the forward pass: inputs and outputs of its operator, by their places. */
export interface Saves {
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[] | 'all';
}

/** What a gradient rule gets. `wanted[i]`: the gradient of input i is asked for. `outputGradients[i]` is null where output i has none. */
export interface GradientContext<A extends Attributes = Attributes> {
  readonly g: GraphBuilder;
  /** What the operator saves, inputs before outputs. Of all else a rule has the types alone. */
  readonly saved: readonly Value[];
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attributes: A;
  readonly outputGradients: readonly (Value | null)[];
  readonly wanted: readonly boolean[];
}

/** Some entries of a value along an axis of it. */
export type Picking = (x: Value, axis: number) => Value;

/** What the kernel in ONNX Runtime's CPU provider takes beside its outputs while it runs, in bytes, as its sources say. */
export interface Scratch<A extends Attributes = Attributes> {
  /** The pieces that it takes of the arena and gives back. */
  arena?(node: Node<A>, threads: number): readonly number[];
  /** The pieces are taken before the outputs. Default: after them. */
  first?: boolean;
  /** What it takes elsewhere. */
  heap?(node: Node<A>): number;
}

interface Operator<A extends Attributes> {
  /** ONNX operator type (opset 18 where there is no `domain`), or the name of a composite. */
  readonly type: string;
  /** Types of the outputs; throws (see `shapeError`) where the inputs do not fit. */
  infer(inputs: readonly Value[], attributes: A): TensorType[];
  /** Floating-point operations (a multiply-add counts 2); absent: one per output element. */
  flops?(node: Node<A>): number;

  /** Outputs after the first may be left out of the file where nothing reads them. */
  readonly optionalOutputs?: boolean;
  /** Attributes that ONNX takes as int64 inputs after the tensor inputs, in order. */
  readonly attributeInputs?: readonly string[];
  /** The opset since when they are inputs. Default: all that are written. */
  readonly attributeInputsSince?: number;
  /** Attributes that the file has beside the node's: those that are ONNX's defaults here, which not every reader knows. */
  writtenBeside?(node: Node<A>): Attributes;
  /** Attributes that are floats in ONNX; other numbers are integers. */
  readonly floatAttributes?: readonly string[];
  /** The shape of output 0 comes from the values of an input: the file says what it will be. */
  readonly shapeAtRun?: boolean;

  /** Output 0 is input 0 seen otherwise. */
  readonly memory?: 'alias';
  /** Further outputs that the runtime always writes over an input: [input, output]. */
  readonly overwrites?: readonly (readonly [input: number, output: number])[];
  /** Absent: none, or next to none. */
  readonly scratch?: Scratch<A>;

  /** The same value with fewer nodes, or null; `before` computes input 0 (passes/simplify.ts). */
  simplify?(g: GraphBuilder, node: Node<A>, before: Node | undefined): Value | null;
  /** Of an operator that picks entries along one axis: the axis, and the same of any value (passes/narrow.ts). */
  picking?(g: GraphBuilder, node: Node<A>): { axis: number; pick: Picking } | null;
  /** Picked entries of output 0, computed from picked operands; null where that cannot be. `deeper` picks of what computes an operand. */
  narrow?(g: GraphBuilder, node: Node<A>, axis: number, pick: Picking, deeper: Picking): Value | null;
  /** Each reader of the result does it for itself where the operands are inputs or constants (passes/refetch.ts). */
  readonly refetched?: boolean;
}

/** A gradient rule, or the reason why there is none. */
type Differentiation<A extends Attributes> =
  | {
      /** Gradients of the inputs, null where not wanted or zero. */
      gradient(context: GradientContext<A>): (Value | null)[];
      readonly saves?: Saves;
      readonly notDifferentiable?: undefined;
    }
  | { readonly notDifferentiable: string; readonly gradient?: undefined; readonly saves?: undefined };

/** `lower`: values that stand for the outputs on a provider; null: the node itself does. */
type Realisation<A extends Attributes> =
  | {
      readonly kind: 'onnx';
      /** Operator set of `type`; absent: ai.onnx. */
      readonly domain?: 'com.microsoft' | 'sdp.cudnn' | 'sdp.copies';
      lower?(
        g: GraphBuilder,
        node: Node<A>,
        provider: ExecutionProvider,
        options: LoweringOptions,
      ): readonly Value[] | null;
    }
  | {
      readonly kind: 'composite';
      readonly domain?: undefined;
      lower(g: GraphBuilder, node: Node<A>, provider: ExecutionProvider, options: LoweringOptions): readonly Value[];
    };

/** An operator: everything the product knows of it. Its kernel for tests is in testing/operators. */
export type Op<A extends Attributes = Attributes> = Operator<A> & Differentiation<A> & Realisation<A>;

export interface Constant {
  readonly value: Value;
  /** Row-major; booleans as 0 and 1. */
  readonly data: readonly number[];
}

export interface GraphOutput {
  readonly name: string;
  readonly value: Value;
}

export interface Graph {
  readonly name: string;
  /** Bound by name when the graph runs. */
  readonly inputs: readonly Value[];
  /** Names that callers bind; a value may serve several. */
  readonly outputs: readonly GraphOutput[];
  readonly constants: readonly Constant[];
  readonly nodes: readonly Node[];
  /** Number of the next value; keeps names unique when passes add nodes. */
  readonly nextId: number;
}

export const elementBytes: Record<DType, number> = { float32: 4, float16: 2, uint8: 1, int32: 4, int64: 8, bool: 1 };

export const sizeOf = (shape: Shape): number => shape.reduce((size, extent) => size * extent, 1);
export const bytesOf = (type: TensorType): number => sizeOf(type.shape) * elementBytes[type.dtype];
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((extent, i) => extent === b[i]);
export const showType = (type: TensorType): string => `${type.dtype}[${type.shape.join(',')}]`;

/** A bug in a graph: says the operator, what was wrong and the types of all operands. */
export function shapeError(
  op: string,
  problem: string,
  inputs: readonly (TensorType & { name?: string })[],
  attributes: Attributes = {},
): Error {
  const operands = inputs.map((v) => `${v.name}: ${showType(v)}`).join(', ');
  return new Error(`${op}: ${problem} (operands ${operands}; attributes ${JSON.stringify(attributes)})`);
}

/** Builds a graph node by node. Start empty, or from a graph to which nodes are to be added. */
export class GraphBuilder {
  /** Scope of the nodes that are added next. */
  scope = '';
  private readonly inputs: Value[];
  private readonly outputs: GraphOutput[];
  private readonly constants: Constant[];
  private readonly nodeList: Node[];
  private readonly producers = new Map<Value, Node>();
  private readonly constantsByKey = new Map<string, readonly Constant[]>();
  private nextId: number;

  constructor(
    private readonly name: string,
    from?: Graph,
  ) {
    this.inputs = [...(from?.inputs ?? [])];
    this.outputs = [...(from?.outputs ?? [])];
    this.constants = [];
    this.nodeList = [];
    this.nextId = from?.nextId ?? 0;
    for (const constant of from?.constants ?? []) this.keepConstant(constant);
    for (const node of from?.nodes ?? []) this.keep(node);
  }

  get nodes(): readonly Node[] {
    return this.nodeList;
  }

  /** The numbers of a constant, or undefined for anything else. */
  constantData(value: Value): readonly number[] | undefined {
    return this.constants.find((constant) => constant.value === value)?.data;
  }

  /** The node that produces a value, or undefined for inputs and constants. */
  producer(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value: Value = { name, dtype, shape: [...shape] };
    this.inputs.push(value);
    return value;
  }

  /** Names a value as an output of the graph. */
  output(name: string, value: Value): void {
    this.outputs.push({ name, value });
  }

  /** A constant tensor; equal constants are one value. */
  constant(dtype: DType, shape: Shape, data: readonly number[]): Value {
    if (data.length !== sizeOf(shape))
      throw new Error(`constant of shape [${shape.join(',')}] given ${data.length} numbers`);
    const alike = this.constantsByKey.get(constantKey({ dtype, shape }, data)) ?? [];
    const existing = alike.find((constant) => sameNumbers(constant.data, data));
    if (existing) return existing.value;
    const value: Value = { name: `constant_${this.nextId++}`, dtype, shape: [...shape] };
    this.keepConstant({ value, data: [...data] });
    return value;
  }

  scalar(value: number, dtype: DType = 'float32'): Value {
    return this.constant(dtype, [], [value]);
  }

  /** Adds a node and returns its outputs. Prefer the typed function of the operator in ops/. */
  add<A extends Attributes>(op: Op<A>, inputs: readonly Value[], attributes: A): readonly Value[] {
    const types = op.infer(inputs, attributes);
    const prefix = this.scope === '' ? '' : `${this.scope}:`;
    const outputs = types.map((type): Value => ({ name: `${prefix}${op.type}_${this.nextId++}`, ...type }));
    this.keep({ op: op, inputs: [...inputs], outputs, attributes, scope: this.scope });
    return outputs;
  }

  /** Adds a node that exists already (passes). */
  keep(node: Node): void {
    this.nodeList.push(node);
    for (const output of node.outputs) this.producers.set(output, node);
  }

  build(): Graph {
    return {
      name: this.name,
      inputs: [...this.inputs],
      outputs: [...this.outputs],
      constants: [...this.constants],
      nodes: [...this.nodeList],
      nextId: this.nextId,
    };
  }

  private keepConstant(constant: Constant): void {
    this.constants.push(constant);
    const key = constantKey(constant.value, constant.data);
    this.constantsByKey.set(key, [...(this.constantsByKey.get(key) ?? []), constant]);
  }
}

/** The same for equal constants, and seldom for others. Indices of rows may be millions of numbers, of which no text is made. */
function constantKey(type: TensorType, data: readonly number[]): string {
  const hash = data.reduce((sum, number) => (Math.imul(sum, 31) + Math.trunc(number * 4096)) | 0, 0);
  return `${showType(type)} ${hash}`;
}

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((number, index) => number === b[index] || Object.is(number, b[index]));

/** Adds a node with one output. */
export function add1<A extends Attributes>(g: GraphBuilder, op: Op<A>, inputs: readonly Value[], attributes: A): Value {
  return g.add(op, inputs, attributes)[0]!;
}
