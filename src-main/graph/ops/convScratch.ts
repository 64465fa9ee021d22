// Memory that a convolution of ONNX Runtime's CPU provider takes while it runs: MlasConvPrepare in onnxruntime/core/mlas/lib/convolve.cpp.

import { sizeOf, type Attributes, type Node } from '../graph.ts';

/** Working memory of one thread of a convolution. */
const bytesPerThread = 64 * 1024;
/** Multiply-adds that are worth a thread. */
const workPerThread = 64 * 1024;

/** A convolution is a matrix product [filters, patch] x [patch, pixels] for each image and group, whose patches are laid out first. */
export function convScratch<A extends Attributes>(
  { inputs: [, w], outputs: [y], attributes }: Node<A>,
  threads: number,
): number {
  const filters = w!.shape[0]! / Number(attributes.group ?? 1);
  const pixels = sizeOf(y!.shape.slice(2));
  const patch = sizeOf(w!.shape.slice(1));
  const all = (name: string, value: number) =>
    (attributes[name] as readonly number[] | undefined)?.every((entry) => entry === value) ?? true;
  if (all('strides', 1) && all('pads', 0) && patch === w!.shape[1]!) return 0;
  if (filters > pixels) return 4 * pixels * patch;
  return threadsOf(filters * pixels * patch, pixels, threads) * bytesPerThread;
}

/** Threads that share the pixels of a product, each getting a multiple of 16. */
function threadsOf(work: number, pixels: number, threads: number): number {
  const wanted = work < workPerThread * threads ? Math.floor(work / workPerThread) + 1 : threads;
  if (wanted === 1) return 1;
  const each = Math.ceil(Math.ceil(pixels / wanted) / 16) * 16;
  if (each >= pixels) return 1;
  return each * (wanted - 1) >= pixels ? wanted - 1 : wanted;
}
