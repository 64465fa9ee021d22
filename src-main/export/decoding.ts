// Runs an exported language model with its cache as text generation does: some tokens, then the others after what was kept of the first.

import { onnxRuntime, type InferenceSession, type Tensor } from '../runtime/onnxRuntime.ts';
import { everyLogits, type Feed, type Logits } from './feed.ts';
import { checking } from './verify.ts';

/** Every so-many-th of the logits [batch,T,K], row-major, of tokens [batch,T], which are given in two parts. */
export async function logitsOfDecoding(path: string, input: Feed, every = 1): Promise<Float32Array> {
  const runtime = await onnxRuntime();
  const session = await runtime.InferenceSession.create(path, checking);
  try {
    return await everyLogits(input, every, (feed) => decode(runtime, session, feed));
  } finally {
    await session.release();
  }
}

async function decode(
  runtime: Awaited<ReturnType<typeof onnxRuntime>>,
  session: InferenceSession,
  { data, shape }: Feed,
): Promise<Logits> {
  const [batch, length] = shape as [number, number];
  const ints = (numbers: number[], width: number) =>
    new runtime.Tensor('int64', BigInt64Array.from(numbers, BigInt), [batch, width]);
  const rows = <T>(of: (row: number) => T[]) => Array.from({ length: batch }, (_, row) => of(row)).flat();
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const run = async (from: number, to: number, past: Record<string, Tensor>) => {
    const input = rows((row) => range(from, to).map((at) => Number(data[row * length + at])));
    return await session.run({
      input_ids: ints(input, to - from),
      attention_mask: ints(new Array<number>(batch * to).fill(1), to),
      position_ids: ints(
        rows(() => range(from, to)),
        to - from,
      ),
      ...past,
    });
  };
  const half = Math.floor(length / 2);
  const first = await run(0, half, nothingYet(session, batch, runtime.Tensor));
  const rest = await run(half, length, asPast(first));
  const classes = rest.logits!.dims[2]!;
  const [before, after] = [first.logits!.data, rest.logits!.data] as [Float32Array, Float32Array];
  const all = new Float32Array(batch * length * classes);
  for (let row = 0; row < batch; row++) {
    const [start, left] = [row * length * classes, (length - half) * classes];
    all.set(before.subarray(row * half * classes, (row + 1) * half * classes), start);
    all.set(after.subarray(row * left, (row + 1) * left), start + half * classes);
  }
  return { data: all, classes };
}

/** An empty cache. */
function nothingYet(session: InferenceSession, batch: number, TensorOf: typeof Tensor): Record<string, Tensor> {
  const past = session.inputMetadata.filter((port) => port.isTensor && port.name.startsWith('past_key_values.'));
  return Object.fromEntries(
    past.map((port) => {
      const [, heads, , size] = (port as { shape: readonly (number | string)[] }).shape as number[];
      return [port.name, new TensorOf('float32', new Float32Array(0), [batch, heads!, 0, size!])];
    }),
  );
}

const asPast = (results: InferenceSession.OnnxValueMapType): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(results)
      .filter(([name]) => name.startsWith('present.'))
      .map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor]),
  );
