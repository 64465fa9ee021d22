// A model of images that takes pixels as image files have them: the normalisation of the dataset is part of the graph.

import { GraphBuilder } from '../graph/graph.ts';
import { add, cast, mul } from '../graph/ops/elementwise.ts';
import { transpose } from '../graph/ops/movement.ts';
import type { ModelGraph } from '../models/model.ts';
import type { Feed } from './feed.ts';

/** Of pixel / 255, per channel. */
export interface Normalisation {
  mean: readonly number[];
  std: readonly number[];
}

/** `input` [B,C,H,W] (float32) becomes `input` [B,H,W,C] (uint8). */
export function takingPixels(built: ModelGraph, { mean, std }: Normalisation): ModelGraph {
  const { graph } = built;
  const images = graph.inputs.find(({ name }) => name === 'input')!;
  const [b, c, h, w] = images.shape as [number, number, number, number];
  const others = graph.inputs.filter((input) => input !== images);
  const g = new GraphBuilder(graph.name, { ...graph, inputs: others, nodes: [] });
  g.scope = 'preprocessing';
  const planes = transpose(g, cast(g, g.input('input', 'uint8', [b, h, w, c]), 'float32'), [0, 3, 1, 2]);
  const perChannel = (of: (channel: number) => number) =>
    g.constant(
      'float32',
      [c, 1, 1],
      std.map((_, i) => of(i)),
    );
  const factor = perChannel((i) => 1 / (255 * std[i]!));
  const normal = add(
    g,
    mul(g, planes, factor),
    perChannel((i) => -mean[i]! / std[i]!),
  );
  for (const node of graph.nodes)
    g.keep({ ...node, inputs: node.inputs.map((input) => (input === images ? normal : input)) });
  return { ...built, graph: g.build() };
}

/** The pixels [B,H,W,C] of normalised images [B,C,H,W]. */
export function pixelsOf({ data, shape }: Feed, { mean, std }: Normalisation): { data: Uint8Array; shape: number[] } {
  const [b, c, h, w] = shape as [number, number, number, number];
  const pixels = new Uint8Array(data.length);
  let at = 0;
  for (let image = 0; image < b; image++)
    for (let place = 0; place < h * w; place++)
      for (let channel = 0; channel < c; channel++) {
        const value = Number(data[(image * c + channel) * h * w + place]);
        pixels[at++] = Math.round(255 * (value * std[channel]! + mean[channel]!));
      }
  return { data: pixels, shape: [b, h, w, c] };
}
