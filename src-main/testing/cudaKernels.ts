// Where ONNX Runtime would run the nodes of a graph on CUDA, known without a card: cudaKernels.tsv has the provider's kernels,
// operatorSchemas.tsv the operators. A node is in the wrong place where the provider has no kernel for its operator, version and types, has
// one that refuses its attributes, or where something would have to be copied between host and device for it.
//
// A kernel that is open-ended (13+) matches only operators that are what they are since that very version; others match where that version
// is in their range (onnxruntime/core/framework/kernel_registry.cc).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attributes, DType, Graph, Node, Value } from '../graph/graph.ts';
import { decodeOnnx, toOnnx } from '../graph/onnx.ts';
import { orderScope } from '../graph/ops/ordering.ts';
import { ownOutputs } from '../graph/passes/ownOutputs.ts';

interface Kernel {
  first: number;
  last: number;
  openEnded: boolean;
  types: ReadonlyMap<string, readonly string[]>;
}

/** Of an operand: the constraint, or its name where it has one type only. */
interface Operand {
  constraint: string;
  type?: string;
  repeats: boolean;
}

interface Schema {
  since: number;
  inputs: Operand[];
  outputs: Operand[];
}

/** Both by `domain operator`. */
export interface CudaKernels {
  kernels: ReadonlyMap<string, readonly Kernel[]>;
  schemas: ReadonlyMap<string, Schema>;
}

/**
 * Operands that CUDA kernels read or write in host memory. Seen in onnxruntime-gpu 1.30.0 with stand-ins for the CUDA libraries, by which
 * operands of a node beside other CUDA nodes get a copy (2026-11-28).
 */
const hostInputs: Readonly<Record<string, readonly number[]>> = {
  ConstantOfShape: [0],
  CumSum: [1],
  Dropout: [1, 2],
  Expand: [1],
  OneHot: [1, 2],
  Pad: [1],
  Range: [0, 1, 2],
  ReduceMax: [1],
  ReduceMean: [1],
  ReduceSum: [1],
  Reshape: [1],
  Resize: [1, 2],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
};
const hostOutputs: Readonly<Record<string, readonly number[]>> = { Shape: [0], Size: [0] };

/** Attributes that kernels do not take though the table has them, seen in the same way; and those for which results have no fixed bits. */
const refusals: { operator: string; refuses(attributes: Attributes): boolean; why: string }[] = [
  {
    operator: 'BatchNormalization',
    refuses: ({ training_mode }) => training_mode === 1,
    why: 'throws in training mode (onnxruntime/core/providers/cuda/nn/batch_norm.h)',
  },
  {
    operator: 'ConvTranspose',
    refuses: ({ pads }) => {
      const each = pads as readonly number[];
      return each.some((pad, i) => pad !== each[(i + each.length / 2) % each.length]);
    },
    why: 'is left to the CPU where pads before and after differ (onnxruntime/core/providers/cuda/cuda_execution_provider.cc)',
  },
  ...['ScatterND', 'ScatterElements'].map((operator) => ({
    operator,
    refuses: ({ reduction }: Attributes) => reduction === 'add',
    why: 'adds by atomics, so that equal indices have no fixed order (onnxruntime/core/providers/cuda/tensor/scatter_nd_impl.cu)',
  })),
];

export function readCudaKernels(): CudaKernels {
  const kernels = new Map<string, Kernel[]>();
  for (const [domain, operator, versions, types] of rowsOf('cudaKernels.tsv')) {
    const [first, last] = versions!.replace('+', '').split('-').map(Number) as [number, number?];
    const openEnded = versions!.endsWith('+');
    const constraints = types === '-' ? [] : types!.split(' ').map((entry) => entry.split('=') as [string, string]);
    const kernel = {
      first,
      last: openEnded ? Infinity : (last ?? first),
      openEnded,
      types: new Map(constraints.map(([name, allowed]) => [name, allowed.split(',')])),
    };
    const key = `${domain} ${operator}`;
    kernels.set(key, [...(kernels.get(key) ?? []), kernel]);
  }
  const schemas = rowsOf('operatorSchemas.tsv').map(([domain, operator, since, inputs, outputs]): [string, Schema] => [
    `${domain} ${operator}`,
    { since: Number(since), inputs: operandsOf(inputs!), outputs: operandsOf(outputs!) },
  ]);
  return { kernels, schemas: new Map(schemas) };
}

function rowsOf(file: string): string[][] {
  const lines = readFileSync(join(import.meta.dirname, file), 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split('\t'));
}

function operandsOf(text: string): Operand[] {
  if (text === '-') return [];
  return text.split(' ').map((operand) => {
    const [constraint, type] = operand.replace('...', '').split('=') as [string, string?];
    return { constraint, type, repeats: operand.endsWith('...') };
  });
}

/** One sentence for each node that would not run on CUDA, with graph, node and operator. Nodes of the domain sdp.cudnn are ours. */
export function withoutKernel(graph: Graph, table: CudaKernels): string[] {
  const { opset_import } = decodeOnnx(toOnnx(graph)) as { opset_import: { domain?: string; version: number }[] };
  const versions = new Map(opset_import.map(({ domain, version }) => [domain ?? '', version]));
  return ownOutputs(graph).nodes.flatMap((node) => {
    if (node.op.domain === 'sdp.cudnn') return [];
    const problem = kernelProblem(node, versions.get(node.op.domain ?? '')!, table);
    return problem ? [`${placeOf(graph, node)} ${problem}`] : [];
  });
}

function kernelProblem(node: Node, version: number, { kernels, schemas }: CudaKernels): string | null {
  const key = `${node.op.domain ?? 'ai.onnx'} ${node.op.type}`;
  const schema = schemas.get(key);
  if (!schema) return 'is not in operatorSchemas.tsv';
  if (schema.since > version) return `is since version ${schema.since}, the file says ${version}`;
  const refusal = refusals.find(({ operator, refuses }) => operator === node.op.type && refuses(node.attributes));
  if (refusal) return refusal.why;
  const types = typesOf(node, schema);
  const fits = ({ first, last, openEnded, types: allowed }: Kernel) =>
    (openEnded ? first === schema.since : first <= schema.since && schema.since <= last) &&
    types.every(([constraint, type]) => allowed.get(constraint)?.includes(type) ?? true);
  if (kernels.get(key)?.some(fits)) return null;
  const named = types.map(([constraint, type]) => `${constraint}=${type}`);
  return `has no CUDA kernel at version ${schema.since} for ${[...new Set(named)].join(', ')}`;
}

/** Constraint and type of each operand that the file has. */
function typesOf({ op, inputs, outputs }: Node, schema: Schema): [string, string][] {
  const given: DType[] = [
    ...inputs.map(({ dtype }) => dtype),
    ...(op.attributeInputs ?? []).map(() => 'int64' as const),
  ];
  const written = op.optionalOutputs ? outputs.slice(0, 1) : outputs;
  const pair = (operands: Operand[], types: DType[]) =>
    types.map((type, i): [string, string] => {
      const operand = operands[i] ?? operands.at(-1)!;
      if (!operands[i] && !operand.repeats) throw new Error(`${op.type} has an operand that its schema does not have`);
      return [operand.constraint, onnxType[type]];
    });
  return [
    ...pair(schema.inputs, given),
    ...pair(
      schema.outputs,
      written.map(({ dtype }) => dtype),
    ),
  ];
}

const onnxType: Record<DType, string> = {
  float32: 'float',
  float16: 'float16',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
  uint8: 'uint8',
};

/**
 * One sentence for each node that would make the runtime copy between host and device, or run on the CPU because it computes on shapes.
 * Nodes that are there for the order of others alone may.
 */
export function throughHost(graph: Graph): string[] {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const isOrder = ({ scope }: Node) => scope === orderScope;
  return graph.nodes.flatMap((node) => {
    if (isOrder(node)) return [];
    if (node.op.domain === undefined && hostOutputs[node.op.type])
      return [`${placeOf(graph, node)} leaves its result in host memory`];
    const read = (hostInputs[node.op.type] ?? []).flatMap((i): Value[] => (node.inputs[i] ? [node.inputs[i]] : []));
    const computed = read.find((value) => producers.has(value) && !isOrder(producers.get(value)!));
    return computed ? [`${placeOf(graph, node)} reads ${computed.name} in host memory`] : [];
  });
}

const placeOf = (graph: Graph, { op, outputs }: Node) => `${graph.name}, node ${outputs[0]!.name}: ${op.type}`;
