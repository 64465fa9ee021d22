// Memory that kernels of ONNX Runtime's CPU provider take while they run, besides their outputs.
//
// The sizes follow its sources: convolutions in onnxruntime/core/mlas/lib/convolve.cpp (MlasConvPrepare), transposed ones in
// core/providers/cpu/nn/conv_transpose.cc, normalisation in nn/batch_norm.h. Kernels that are not listed take none, or next to none.

import { bytesOf, elementBytes, sizeOf, type Node } from './graph.ts';
import { ScatterElements } from './ops/indexing.ts';

/** Working memory of one thread of a convolution. */
const bytesPerThread = 64 * 1024;
/** Multiply-adds that are worth a thread. */
const workPerThread = 64 * 1024;

const scratch: Readonly<Record<string, (node: Node, threads: number) => number[]>> = {
  Conv: (node, threads) => [convScratch(node, threads)],
  ConvTranspose: ({ inputs: [x, w], attributes }) => [
    (4 * sizeOf(w!.shape.slice(1)) * sizeOf(x!.shape.slice(2))) / Number(attributes.group ?? 1),
  ],
  BatchNormalization: ({ inputs: [, scale], attributes }) =>
    attributes.training_mode === 1 ? [4 * sizeOf(scale!.shape), 4 * sizeOf(scale!.shape)] : [],
  Where: ({ outputs: [selected] }) => [bytesOf(selected!), bytesOf(selected!)],
};

/** Whether a kernel takes its scratch before its outputs: Where merges what it has selected of either operand. */
export const takesScratchFirst = ({ op }: Node): boolean => op.type === 'Where';

/** Sizes of the pieces that a node takes and gives back, in bytes. */
export function scratchOf(node: Node, threads: number): number[] {
  return (scratch[node.op.type]?.(node, threads) ?? []).filter((bytes) => bytes > 0);
}

/** What kernels of a node take elsewhere than in the arena: a scatter copies its indices. */
export function heapScratchOf({ op, inputs }: Node): number {
  return op.type === ScatterElements.type ? elementBytes.int64 * sizeOf(inputs[1]!.shape) : 0;
}

/** A convolution is a matrix product [filters, patch] x [patch, pixels] for each image and group, whose patches are laid out first. */
function convScratch({ inputs: [, w], outputs: [y], attributes }: Node, threads: number): number {
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
