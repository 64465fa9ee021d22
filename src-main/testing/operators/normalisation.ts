// Normalisations.

import { sizeOf } from '../../graph/graph.ts';
import { add, mul, stopGradient } from '../../graph/ops/elementwise.ts';
import { layerNorm, LayerNormalizationGradient } from '../../graph/ops/layerNorm.ts';
import { concat } from '../../graph/ops/movement.ts';
import { BatchNormalizationGradient, batchNormInference, batchNormTraining } from '../../graph/ops/norm.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { rmsNorm, SimplifiedLayerNormalization } from '../../graph/ops/rmsNorm.ts';
import type { TestTensor } from '../runOnnx.ts';
import { byRow, generate, sum, type Kernel, type OperatorTests } from './kernel.ts';

/** Mean of `f(element, channel)` per channel. */
function channelMeans({ shape, data }: TestTensor, f: (x: number, channel: number, i: number) => number): Float64Array {
  const image = sizeOf(shape.slice(2));
  const means = new Float64Array(shape[1]!);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / image) % shape[1]!;
    means[channel]! += f(data[i]!, channel, i) / (data.length / shape[1]!);
  }
  return means;
}

const batchNormalization: Kernel = ([x, scale, bias, mean, variance], attributes) => {
  const training = attributes.training_mode === 1;
  const m = training ? channelMeans(x!, (v) => v) : mean!.data;
  const v = training ? channelMeans(x!, (value, c) => (value - m[c]!) ** 2) : variance!.data;
  const channels = x!.shape[1]!;
  const y = generate(x!.shape, () => 0);
  const image = sizeOf(x!.shape.slice(2));
  const data = Float64Array.from(y.data, (_, i) => {
    const c = Math.floor(i / image) % channels;
    return (
      ((x!.data[i]! - m[c]!) / Math.sqrt(v[c]! + (attributes.epsilon as number))) * scale!.data[c]! + bias!.data[c]!
    );
  });
  return [{ shape: x!.shape, data }, ...(training ? [m, v].map((d) => ({ shape: [channels], data: d })) : [])];
};

const batchNormalizationGradient: Kernel = ([dy, x, scale, mean, variance], attributes) => {
  const channels = [x!.shape[1]!];
  const count = x!.data.length / channels[0]!;
  const s = Array.from(variance!.data, (v) => Math.sqrt(v + (attributes.epsilon as number)));
  const xhat = (value: number, c: number) => (value - mean!.data[c]!) / s[c]!;
  const meanDy = channelMeans(dy!, (d) => d);
  const meanDyXhat = channelMeans(dy!, (d, c, i) => d * xhat(x!.data[i]!, c));
  const image = sizeOf(x!.shape.slice(2));
  const dx = Float64Array.from(dy!.data, (d, i) => {
    const c = Math.floor(i / image) % channels[0]!;
    return (scale!.data[c]! / s[c]!) * (d - meanDy[c]! - xhat(x!.data[i]!, c) * meanDyXhat[c]!);
  });
  const total = (means: Float64Array): TestTensor => ({ shape: channels, data: means.map((m) => m * count) });
  return [{ shape: x!.shape, data: dx }, total(meanDyXhat), total(meanDy)];
};

/** Rows of the last axis, each mapped to numbers; `visit` gets a row and its first offset. */
function eachRow({ shape, data }: TestTensor, visit: (row: number[], offset: number) => void): void {
  const size = shape.at(-1)!;
  for (let offset = 0; offset < data.length; offset += size)
    visit(
      Array.from({ length: size }, (_, i) => data[offset + i]!),
      offset,
    );
}

const average = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

const layerNormalization: Kernel = ([x, scale, bias], attributes, node) => {
  const y = new Float64Array(x!.data.length);
  const statistics: [number[], number[]] = [[], []];
  eachRow(x!, (row, offset) => {
    const mean = average(row);
    const inverse = 1 / Math.sqrt(average(row.map((v) => (v - mean) ** 2)) + (attributes.epsilon as number));
    row.forEach((v, i) => (y[offset + i] = (v - mean) * inverse * scale!.data[i]! + bias!.data[i]!));
    statistics[0].push(mean);
    statistics[1].push(inverse);
  });
  const rows = node.outputs[1]!.shape;
  return [{ shape: x!.shape, data: y }, ...statistics.map((data) => ({ shape: rows, data }))];
};

const layerNormalizationGradient: Kernel = ([dy, x, scale, mean, inverse]) => {
  const dx = new Float64Array(x!.data.length);
  const [dscale, dbias] = [scale!.data, scale!.data].map((entries) => new Float64Array(entries.length));
  eachRow(x!, (row, offset) => {
    const r = inverse!.data[offset / row.length]!;
    const xhat = row.map((v) => (v - mean!.data[offset / row.length]!) * r);
    const d = row.map((_, i) => dy!.data[offset + i]! * scale!.data[i]!);
    const slope = average(d.map((v, i) => v * xhat[i]!));
    row.forEach((_, i) => {
      dx[offset + i] = r * (d[i]! - average(d) - xhat[i]! * slope);
      dscale![i]! += dy!.data[offset + i]! * xhat[i]!;
      dbias![i]! += dy!.data[offset + i]!;
    });
  });
  return [{ shape: x!.shape, data: dx }, ...[dscale!, dbias!].map((data) => ({ shape: scale!.shape, data }))];
};

/** y and r; the weight is the same for every row, so it is taken apart from them. */
const rootMeanSquare: Kernel = ([x, w], { epsilon }, node) =>
  byRow(([row]) => {
    const r = 1 / Math.sqrt(sum(row!.map((v) => v * v)) / row!.length + (epsilon as number));
    return [row!.map((v, i) => v * r * w!.data[i]!), [r]];
  })([x!], {}, node);

const rootMeanSquareGradient: Kernel = ([dy, x, w, r]) => {
  const width = w!.shape[0]!;
  const dx = new Float64Array(x!.data.length);
  const dw = new Float64Array(width);
  for (let row = 0; row < r!.data.length; row++) {
    const scale = r!.data[row]!;
    let mean = 0;
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      mean += (dy!.data[at]! * w!.data[i]! * x!.data[at]!) / width;
      dw[i]! += dy!.data[at]! * x!.data[at]! * scale;
    }
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      dx[at] = scale * dy!.data[at]! * w!.data[i]! - x!.data[at]! * scale ** 3 * mean;
    }
  }
  return [
    { shape: x!.shape, data: dx },
    { shape: w!.shape, data: dw },
  ];
};

export const normalisationTests = {
  BatchNormalization: {
    kernel: batchNormalization,
    entries: [
      {
        what: 'of the batch',
        inputs: [[3, 2, 4, 5], [2], [2]],
        build: (g, x, scale, bias) => batchNormTraining(g, x, scale, bias, 1e-5).y,
      },
      {
        what: 'statistics',
        inputs: [[3, 2, 4, 5], [2], [2]],
        build(g, x, scale, bias) {
          const { mean, variance } = batchNormTraining(g, x, scale, bias, 1e-5);
          return concat(g, [stopGradient(g, mean), stopGradient(g, variance), scale], 0);
        },
      },
      {
        what: 'with given statistics',
        inputs: [[3, 2, 4], [2], [2], [2]],
        refuses: 'inference mode has no gradient rule',
        build: (g, x, scale, mean, root) => batchNormInference(g, x, scale, mean, mean, mul(g, root, root), 1e-3),
      },
    ],
  },
  BatchNormalizationGradient: {
    kernel: batchNormalizationGradient,
    entries: [
      {
        what: 'all outputs',
        inputs: [[3, 2, 4], [3, 2, 4], [2], [2], [2]],
        build(g, dy, x, scale, mean, root) {
          const operands = [dy, x, scale, mean, mul(g, root, root)];
          const [dx, dscale, dbias] = g.add(BatchNormalizationGradient, operands, { epsilon: 1e-5 });
          return mul(g, dx!, reshape(g, add(g, dscale!, dbias!), [2, 1]));
        },
      },
    ],
  },
  LayerNormalization: {
    kernel: layerNormalization,
    entries: [
      {
        what: 'rows of three axes',
        inputs: [[2, 3, 5], [5], [5]],
        build: (g, x, scale, bias) => layerNorm(g, x, scale, bias, 1e-5),
      },
    ],
  },
  LayerNormalizationGradient: {
    kernel: layerNormalizationGradient,
    entries: [
      {
        what: 'all outputs',
        inputs: [[4, 3], [4, 3], [3], [4, 1], [4, 1]],
        build(g, dy, x, scale, mean, inverse) {
          const [dx, dscale, dbias] = g.add(LayerNormalizationGradient, [dy, x, scale, mean, inverse], {});
          return mul(g, dx!, add(g, dscale!, dbias!));
        },
      },
    ],
  },
  RmsNorm: {
    kernel: rootMeanSquare,
    entries: [
      { what: 'three axes', inputs: [[2, 3, 8], [8]], build: (g, x, w) => rmsNorm(g, x, w, 1e-3) },
      { what: 'a large epsilon, odd width', inputs: [[4, 5], [5]], build: (g, x, w) => rmsNorm(g, x, w, 0.5) },
    ],
  },
  RmsNormGradient: { kernel: rootMeanSquareGradient },
  SimplifiedLayerNormalization: {
    kernel: rootMeanSquare,
    entries: [
      {
        what: 'both outputs',
        inputs: [[3, 8], [8]],
        build(g, x, w) {
          const [y, r] = g.add(SimplifiedLayerNormalization, [x, w], { epsilon: 1e-3, axis: -1 });
          return mul(g, y!, r!);
        },
      },
    ],
  },
} satisfies OperatorTests;
