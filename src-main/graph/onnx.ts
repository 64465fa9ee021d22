// Writes a graph as an ONNX file: opset 18 (IR version 10), or opset 17 (IR version 8) for files that leave the app, which more readers know.
//
// Values keep their names but for graph outputs, which take the names that callers bind. Static shapes are written for inputs, outputs
// and values whose shape is computed; the runtime infers the rest. Composite operators cannot be written: lower the graph first.

import protobuf from 'protobufjs/light.js';
import { toFloat16 } from './float16.ts';
import {
  bytesOf,
  elementBytes,
  type Attributes,
  type AttributeValue,
  type DType,
  type Graph,
  type Node,
  type Value,
} from './graph.ts';
import { isFixed, Reshape } from './ops/reshape.ts';
import { attributeType, elementType, onnxSchema } from './onnxSchema.ts';
import { ownOutputs } from './passes/ownOutputs.ts';

/** Of inputs and outputs by name, the names of axes that accept any extent; axes of one name have the same. */
export type DynamicAxes = Readonly<Record<string, Readonly<Record<number, string>>>>;

/** What a file says of itself. */
export interface ModelNotes {
  producerVersion: string;
  /** Of the model, such as the steps of its training. */
  modelVersion: number;
  docString: string;
  properties: Readonly<Record<string, string>>;
}

export interface OnnxOptions {
  /** A Reshape of what is computed from inputs with such axes must keep what belongs to the batch on axis 0, or say 0 and -1 itself. */
  dynamicAxes?: DynamicAxes;
  /** Raw little-endian bytes for inputs that become initializers of the file and are no longer inputs. */
  initializers?: ReadonlyMap<string, Uint8Array>;
  /** No extents of inputs and outputs: the runtime's planner then lets no result take over the memory of another (graph/allocations.ts). */
  withoutExtents?: boolean;
  opset?: 17 | 18;
  notes?: ModelNotes;
}

/** Bytes of the ONNX file. */
export function toOnnx(graph: Graph, options: OnnxOptions = {}): Uint8Array {
  const initializers = options.initializers ?? new Map<string, Uint8Array>();
  const { model, body } = messagesOf(graph, new Set(initializers.keys()), options);
  const embedded = graph.inputs
    .filter(({ name }) => initializers.has(name))
    .map((input) => embeddedTensor(input, initializers.get(input.name)!));
  return encode('ModelProto', { ...model, graph: { ...body, initializer: [...body.initializer, ...embedded] } });
}

/** An ONNX file in pieces, in their order: bytes, or the name of an input whose bytes come there as those of an initializer. */
export function onnxPieces(
  graph: Graph,
  weights: ReadonlySet<string>,
  options: OnnxOptions = {},
): (Uint8Array | string)[] {
  const { model, body } = messagesOf(graph, weights, options);
  const embedded = graph.inputs.filter(({ name }) => weights.has(name));
  const tensors = embedded.map((input) => {
    const size = bytesOf(input);
    const before = encode('TensorProto', { dims: input.shape, data_type: elementType[input.dtype], name: input.name });
    const data = lengthOf(9, size);
    const head = joined([lengthOf(5, before.length + data.length + size), before, data]);
    return { head, size, name: input.name };
  });
  const start = encode('GraphProto', body);
  const graphBytes = tensors.reduce((sum, { head, size }) => sum + head.length + size, start.length);
  return [
    joined([encode('ModelProto', model), lengthOf(7, graphBytes), start]),
    ...tensors.flatMap(({ head, name }) => [head, name]),
  ];
}

/** Where the bytes of an initializer are, of a file beside the model. */
export interface ExternalBytes {
  /** Name of the file. */
  location: string;
  offset: number;
}

/** Bytes of an ONNX file whose weights are in other files. */
export function toOnnxBeside(
  graph: Graph,
  weights: ReadonlyMap<string, ExternalBytes>,
  options: OnnxOptions = {},
): Uint8Array {
  const { model, body } = messagesOf(graph, new Set(weights.keys()), options);
  const external = graph.inputs
    .filter(({ name }) => weights.has(name))
    .map((input) => externalTensor(input, weights.get(input.name)!));
  return encode('ModelProto', { ...model, graph: { ...body, initializer: [...body.initializer, ...external] } });
}

function externalTensor(input: Value, { location, offset }: ExternalBytes): object {
  const entries = { location, offset: String(offset), length: String(bytesOf(input)) };
  return {
    dims: input.shape,
    data_type: elementType[input.dtype],
    name: input.name,
    external_data: Object.entries(entries).map(([key, value]) => ({ key, value })),
    data_location: external,
  };
}

/** TensorProto.data_location: the bytes are in another file. */
const external = 1;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** What comes before a field of some bytes. */
const lengthOf = (field: number, bytes: number): Uint8Array =>
  protobuf.Writer.create()
    .uint32((field << 3) | 2)
    .uint32(bytes)
    .finish();

/** The file without its graph, and the graph without weights, which are inputs of these names. */
function messagesOf(
  graph: Graph,
  weights: ReadonlySet<string>,
  options: OnnxOptions,
): { model: object; body: { initializer: object[] } } {
  const { dynamicAxes = {}, opset = 18, notes } = options;
  const direct = ownOutputs(graph);
  const names = valueNames(direct);
  const extra: TensorProto[] = [];
  const read = readValues(direct);
  const dynamic = dynamicValues(direct, dynamicAxes);
  const nodes = direct.nodes.map((node, index) =>
    nodeProto(anyExtent(node, dynamic), index, { names, read, extra, opset }),
  );
  const constants = [
    ...direct.constants.map(({ value, data }) =>
      tensorProto(value.name, value.dtype, value.shape, packNumbers(value.dtype, data)),
    ),
    ...extra,
  ];
  const domains = new Set(direct.nodes.flatMap((node) => node.op.domain ?? []));
  const port = (name: string, value: Value) => valueInfo(name, value, options);
  const model = {
    ir_version: opset === 17 ? 8 : 10,
    producer_name: 'sdp-lab',
    ...(notes && notesProto(notes)),
    opset_import: [{ domain: '', version: opset }, ...[...domains].map((domain) => ({ domain, version: 1 }))],
  };
  const body = {
    name: direct.name,
    node: nodes,
    initializer: constants,
    input: [
      ...direct.inputs.filter((input) => !weights.has(input.name)).map((input) => port(input.name, input)),
      ...(options.withoutExtents ? constants.map(withoutExtents) : []),
    ],
    output: direct.outputs.map(({ name, value }) => port(name, value)),
    value_info: direct.nodes
      .filter((node) => node.op.shapeAtRun)
      .map(({ outputs }) => port(outputs[0]!.name, outputs[0]!)),
  };
  return { model, body };
}

/** The messages of an ONNX file as plain objects (int64 as numbers), for tests and export checks. */
export function decodeOnnx(bytes: Uint8Array): Record<string, unknown> {
  const type = messages().lookupType('ModelProto');
  return type.toObject(type.decode(bytes), { longs: Number, arrays: true });
}

/** Numbers as raw little-endian tensor data. */
export function packNumbers(dtype: DType, data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(data.length * elementBytes[dtype]);
  const view = new DataView(bytes.buffer);
  data.forEach((number, i) => {
    if (dtype === 'float32') view.setFloat32(4 * i, number, true);
    else if (dtype === 'float16') view.setUint16(2 * i, toFloat16(number), true);
    else if (dtype === 'int32') view.setInt32(4 * i, number, true);
    else if (dtype === 'int64') view.setBigInt64(8 * i, BigInt(number), true);
    else view.setUint8(i, number);
  });
  return bytes;
}

let root: protobuf.Root | undefined;

function messages(): protobuf.Root {
  if (root) return root;
  const nested: Record<string, protobuf.IType> = {};
  for (const [message, fields] of Object.entries(onnxSchema))
    nested[message] = { edition: 'proto2', fields: messageFields(fields) };
  root = protobuf.Root.fromJSON({ nested });
  return root;
}

type FieldSchema = readonly [type: string, id: number, rule?: 'repeated'];

function messageFields(fields: Readonly<Record<string, FieldSchema>>): Record<string, protobuf.IField> {
  const entries = Object.entries(fields).map(
    ([name, [type, id, rule]]) => [name, { type, id, ...(rule && { rule }) }] as const,
  );
  return Object.fromEntries(entries);
}

function encode(message: string, content: object): Uint8Array {
  const type = messages().lookupType(message);
  return type.encode(type.fromObject(content)).finish();
}

const notesProto = ({ producerVersion, modelVersion, docString, properties }: ModelNotes): object => ({
  producer_version: producerVersion,
  model_version: modelVersion,
  doc_string: docString,
  metadata_props: Object.entries(properties).map(([key, value]) => ({ key, value })),
});

function valueNames(graph: Graph): Map<Value, string> {
  return new Map(graph.outputs.map(({ name, value }) => [value, name]));
}

function readValues(graph: Graph): Set<Value> {
  return new Set([...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.map((output) => output.value)]);
}

/** Inputs with a dynamic axis and what is computed from them. */
function dynamicValues(graph: Graph, axes: DynamicAxes): Set<Value> {
  const dynamic = new Set(graph.inputs.filter((input) => axes[input.name]));
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => dynamic.has(input))) node.outputs.forEach((output) => dynamic.add(output));
  }
  return dynamic;
}

/** A Reshape of a dynamic value with its axis 0, which is where graphs keep what belongs to the batch, left to the runtime. */
function anyExtent(node: Node, dynamic: ReadonlySet<Value>): Node {
  if (node.op !== Reshape || !dynamic.has(node.inputs[0]!)) return node;
  const [first, ...rest] = node.attributes.shape as readonly number[];
  return isFixed([first!, ...rest]) ? { ...node, attributes: { shape: [-1, ...rest] } } : node;
}

interface Writing {
  names: ReadonlyMap<Value, string>;
  /** Values that something reads. */
  read: ReadonlySet<Value>;
  /** Gets the tensors of attributes that are inputs. */
  extra: TensorProto[];
  opset: number;
}

function nodeProto(node: Node, index: number, { names, read, extra, opset }: Writing): object {
  const { op } = node;
  const attributes: Attributes = { ...op.writtenBeside?.(node), ...withoutUndefined(node.attributes) };
  const attributeInputs = (op.attributeInputsSince ?? 0) <= opset ? (op.attributeInputs ?? []) : [];
  if (op.kind === 'composite')
    throw new Error(`${op.type} ${node.outputs[0]?.name} must be lowered before it is written`);
  const name = (value: Value) => names.get(value) ?? value.name;
  const id = `${node.scope === '' ? '' : `${node.scope}:`}${op.type}#${index}`;
  const tensors = attributeInputs.map((attribute) => {
    const numbers = attributes[attribute] as readonly number[];
    extra.push(tensorProto(`${id}.${attribute}`, 'int64', [numbers.length], packNumbers('int64', numbers)));
    return `${id}.${attribute}`;
  });
  const needed = op.optionalOutputs
    ? node.outputs.findLastIndex((output) => read.has(output))
    : node.outputs.length - 1;
  const kept = Object.entries(attributes).filter(([key]) => !attributeInputs.includes(key));
  return {
    input: [...node.inputs.map(name), ...tensors],
    output: node.outputs.slice(0, needed + 1).map(name),
    name: id,
    op_type: op.type,
    ...(op.domain && { domain: op.domain }),
    attribute: kept.map(([key, value]) => attributeProto(key, value!, op.floatAttributes?.includes(key) ?? false)),
  };
}

const withoutUndefined = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));

function attributeProto(name: string, value: AttributeValue, float: boolean): object {
  if (typeof value === 'string') return { name, s: new TextEncoder().encode(value), type: attributeType.string };
  if (typeof value !== 'number') return { name, ints: value, type: attributeType.ints };
  return float ? { name, f: value, type: attributeType.float } : { name, i: value, type: attributeType.int };
}

interface TensorProto {
  dims: readonly number[];
  data_type: number;
  name: string;
  raw_data: Uint8Array;
}

const tensorProto = (name: string, dtype: DType, shape: readonly number[], raw: Uint8Array): TensorProto => ({
  dims: shape,
  data_type: elementType[dtype],
  name,
  raw_data: raw,
});

function embeddedTensor(input: Value, raw: Uint8Array): object {
  const expected = input.shape.reduce((size, extent) => size * extent, elementBytes[input.dtype]);
  if (raw.length !== expected)
    throw new Error(`initializer ${input.name} has ${raw.length} bytes, its shape needs ${expected}`);
  return tensorProto(input.name, input.dtype, input.shape, raw);
}

/** A constant as an input that callers could give: what is inferred from its values and extents is unknown to the runtime then. */
const withoutExtents = ({ name, dims, data_type }: TensorProto): object => ({
  name,
  type: { tensor_type: { elem_type: data_type, shape: { dim: dims.map(() => ({})) } } },
});

function valueInfo(name: string, value: Value, { dynamicAxes, withoutExtents }: OnnxOptions): object {
  const dim = value.shape.map((extent, axis) => {
    if (withoutExtents) return {};
    const dynamic = dynamicAxes?.[name]?.[axis];
    return dynamic === undefined ? { dim_value: extent } : { dim_param: dynamic };
  });
  return { name, type: { tensor_type: { elem_type: elementType[value.dtype], shape: { dim } } } };
}
