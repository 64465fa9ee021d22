// Runs a graph in onnxruntime-node on the CPU provider: what tests compare the interpreter and the reference cases with.

import { onnxRuntime, type Tensor as RuntimeTensor } from '../runtime/onnxRuntime.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { DType, Graph } from '../graph/graph.ts';

type Runtime = Awaited<ReturnType<typeof onnxRuntime>>;

export interface TestTensor {
  shape: readonly number[];
  data: ArrayLike<number>;
}

/** Outputs by name. */
export async function runOnnx(graph: Graph, feeds: ReadonlyMap<string, TestTensor>): Promise<Map<string, TestTensor>> {
  const opened = await openOnnx(graph);
  try {
    return await opened.run(feeds);
  } finally {
    await opened.release();
  }
}

/** A graph that is run several times. */
export interface OpenedGraph {
  /** Outputs by name. */
  run(feeds: ReadonlyMap<string, TestTensor>): Promise<Map<string, TestTensor>>;
  release(): Promise<void>;
}

export async function openOnnx(graph: Graph): Promise<OpenedGraph> {
  const { InferenceSession, Tensor } = await onnxRuntime();
  const session = await InferenceSession.create(toOnnx(graph), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    // As in native/core/src/runtime.rs.
    extra: { optimization: { disable_specified_optimizers: 'ReshapeFusion' } },
  });
  return {
    run: async (feeds) => {
      const tensors = graph.inputs.map((input) => {
        const feed = feeds.get(input.name);
        if (!feed) throw new Error(`no value for input ${input.name}`);
        return [input.name, toTensor(Tensor, input.dtype, input.shape, feed.data)] as const;
      });
      const results = await session.run(Object.fromEntries(tensors));
      return new Map(Object.entries(results).map(([name, tensor]) => [name, fromTensor(tensor)]));
    },
    release: () => session.release(),
  };
}

function toTensor(
  Tensor: Runtime['Tensor'],
  dtype: DType,
  shape: readonly number[],
  data: ArrayLike<number>,
): RuntimeTensor {
  if (dtype === 'float32') return new Tensor('float32', Float32Array.from(data), shape);
  if (dtype === 'int64') return new Tensor('int64', BigInt64Array.from(Array.from(data, BigInt)), shape);
  if (dtype === 'int32') return new Tensor('int32', Int32Array.from(data), shape);
  return new Tensor('bool', Uint8Array.from(data), shape);
}

function fromTensor(tensor: RuntimeTensor): TestTensor {
  return { shape: tensor.dims, data: Array.from(tensor.data as ArrayLike<number | bigint>, Number) };
}
