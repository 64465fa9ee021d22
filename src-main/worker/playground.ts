// Runs one exported model at a time with onnxruntime-node, in a process that opens no device. Every command names its model, and they are
// worked off one after the other: no model goes while it is at work, and none answers for another.

import type { Handlers } from '../contract/rpc.ts';
import type { PlaygroundCommands } from '../contract/playgroundMessages.ts';
import { onnxRuntime, type InferenceSession } from '../runtime/onnxRuntime.ts';
import { sampleToken } from './sampleToken.ts';

export function playgroundHandlers(): Handlers<PlaygroundCommands> {
  let loaded: { path: string; session: InferenceSession } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function sessionOf(path: string): Promise<InferenceSession> {
    if (loaded?.path === path) return loaded.session;
    const { InferenceSession } = await onnxRuntime();
    const before = loaded;
    loaded = undefined;
    await before?.session.release();
    loaded = { path, session: await InferenceSession.create(path, { logSeverityLevel: 3 }) };
    return loaded.session;
  }

  /** Work with a model, behind what was asked for before. */
  function withModel<T>(path: string, work: (session: InferenceSession) => T | Promise<T>): Promise<T> {
    const turn = last.then(async () => work(await sessionOf(path)));
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    load: ({ path }) => withModel(path, () => ({})),
    run: ({ path, data, shape, kind }) =>
      withModel(path, async (session) => ({ logits: [...(await logitsOf(session, data, shape, kind))] })),
    generate: ({ path, tokens, length, count, end, temperature, seed }, { signal }) =>
      withModel(path, async (session) => {
        const all = [...tokens];
        const random = generator(seed);
        for (let made = 0; made < count && !signal.aborted && (made === 0 || all.at(-1) !== end); made++) {
          const seen = all.slice(-length);
          const padded = [...seen, ...new Array<number>(length - seen.length).fill(0)];
          const logits = await logitsOf(session, padded, [1, length], 'tokens');
          const vocabulary = logits.length / length;
          all.push(
            sampleToken(
              logits.subarray((seen.length - 1) * vocabulary, seen.length * vocabulary),
              temperature,
              random(),
            ),
          );
        }
        return { tokens: all.slice(tokens.length) };
      }),
  };
}

async function logitsOf(
  session: InferenceSession,
  data: readonly number[],
  shape: number[],
  kind: 'images' | 'tokens',
): Promise<Float32Array> {
  const { Tensor } = await onnxRuntime();
  const input =
    kind === 'images'
      ? new Tensor('float32', Float32Array.from(data), shape)
      : new Tensor('int64', BigInt64Array.from(data, BigInt), shape);
  const { logits } = await session.run({ input });
  return logits!.data as Float32Array;
}

/** Numbers in [0, 1) from a seed (mulberry32); only for samples of text. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
