// Graphs that time each formulation of an operator on a card, one operator a graph, for the shapes of two networks as they are usually
// trained: ResNet-18 (CIFAR stem, 32x32, batch 128) and the patch embedding of Swin-T (224x224, batch 32).
//
// All inputs are float32 and may be any numbers.

import { GraphBuilder, type Shape, type Value } from '../graph.ts';
import { toOnnx } from '../onnx.ts';
import { convExtent, ConvInputGradient, ConvWeightGradient } from '../ops/conv.ts';
import { mul } from '../ops/elementwise.ts';
import { BatchNormalizationGradient, batchNormTraining } from '../ops/norm.ts';
import { verify } from '../verify.ts';
import type { Formulation, ShapeClass } from './formulations.ts';
import { lower } from './lower.ts';

const epsilon = 1e-5;

interface Convolution {
  batch: number;
  channels: number;
  filters: number;
  /** Of the square images and kernels. */
  image: number;
  kernel: number;
  stride: number;
  padding: number;
}

type Normalisation = Pick<Convolution, 'batch' | 'channels' | 'image'>;

export type FormulationSubject =
  | { operator: 'ConvWeightGradient' | 'ConvInputGradient'; title: string; geometry: Convolution }
  | { operator: 'BatchNormalization' | 'BatchNormalizationGradient'; title: string; geometry: Normalisation };

/** Channels, filters, image, kernel, stride. */
const resnetConvolutions = [
  [3, 64, 32, 3, 1],
  [64, 64, 32, 3, 1],
  [64, 128, 32, 3, 2],
  [64, 128, 32, 1, 2],
  [128, 128, 16, 3, 1],
  [128, 256, 16, 3, 2],
  [128, 256, 16, 1, 2],
  [256, 256, 8, 3, 1],
  [256, 512, 8, 3, 2],
  [256, 512, 8, 1, 2],
  [512, 512, 4, 3, 1],
] as const;
const patchEmbedding = { batch: 32, channels: 3, filters: 96, image: 224, kernel: 4, stride: 4, padding: 0 };
const resnetNormalisations = [
  [64, 32],
  [128, 16],
  [256, 8],
  [512, 4],
] as const;

/** The distinct shapes; images themselves need no gradient. */
export function formulationSubjects(): FormulationSubject[] {
  const resnet = resnetConvolutions.map(([channels, filters, image, kernel, stride]): [string, Convolution] => [
    'ResNet-18',
    { batch: 128, channels, filters, image, kernel, stride, padding: (kernel - 1) / 2 },
  ]);
  const convolutions: [string, Convolution][] = [...resnet, ['Swin-T', patchEmbedding]];
  const weight = convolutions.map(([network, geometry]) => convolutionSubject('ConvWeightGradient', network, geometry));
  const input = convolutions
    .filter(([, { channels }]) => channels > 3)
    .map(([network, geometry]) => convolutionSubject('ConvInputGradient', network, geometry));
  const norms = (['BatchNormalization', 'BatchNormalizationGradient'] as const).flatMap((operator) =>
    resnetNormalisations.map(([channels, image]): FormulationSubject => {
      const title = `ResNet-18, batch 128: ${channels} channels, ${image}x${image}`;
      return { operator, title, geometry: { batch: 128, channels, image } };
    }),
  );
  return [...weight, ...input, ...norms];
}

/** What rules tell the subject apart by. */
export function shapeClassOf({ geometry }: FormulationSubject): ShapeClass {
  const { channels, image } = geometry;
  if (!('kernel' in geometry)) return { channels, pixels: image ** 2 };
  const { kernel, stride, padding } = geometry;
  return { channels, pixels: convExtent(image, kernel, stride, 2 * padding) ** 2, stride, taps: kernel ** 2 };
}

function convolutionSubject(
  operator: 'ConvWeightGradient' | 'ConvInputGradient',
  network: string,
  geometry: Convolution,
): FormulationSubject {
  const { batch, channels, filters, image, kernel, stride } = geometry;
  const shape = `${channels} -> ${filters}, ${image}x${image}, kernel ${kernel}x${kernel}, stride ${stride}`;
  return { operator, title: `${network}, batch ${batch}: ${shape}`, geometry };
}

/** An ONNX file with one output per result of the operator. */
export function formulationGraph(subject: FormulationSubject, formulation: Formulation): { onnx: Uint8Array } {
  const g = new GraphBuilder(`${subject.operator} ${formulation}`);
  outputsOf(g, subject).forEach((value, i) => g.output(`y${i}`, value));
  const options = { customOperators: true, formulations: { [subject.operator]: formulation } };
  return { onnx: toOnnx(verify(lower(g.build(), 'cuda', options))) };
}

function outputsOf(g: GraphBuilder, subject: FormulationSubject): readonly Value[] {
  const { batch, channels, image } = subject.geometry;
  const input = (name: string, shape: Shape) => g.input(name, 'float32', shape);
  const images = (name: string) => input(name, [batch, channels, image, image]);
  const perChannel = (name: string) => input(name, [channels]);
  switch (subject.operator) {
    case 'ConvWeightGradient': {
      const { output, kernel, attributes } = convolutionShape(subject.geometry);
      return g.add(ConvWeightGradient, [images('x'), input('dy', output)], { ...attributes, kernel: kernel.slice(2) });
    }
    case 'ConvInputGradient': {
      const { output, kernel, attributes } = convolutionShape(subject.geometry);
      return g.add(ConvInputGradient, [input('dy', output), input('w', kernel)], {
        ...attributes,
        image: [image, image],
      });
    }
    case 'BatchNormalization': {
      const { y, mean, variance } = batchNormTraining(g, images('x'), perChannel('scale'), perChannel('bias'), epsilon);
      return [y, mean, variance];
    }
    case 'BatchNormalizationGradient': {
      const [dy, x, scale, mean] = [images('dy'), images('x'), perChannel('scale'), perChannel('mean')];
      const deviation = perChannel('deviation');
      return g.add(BatchNormalizationGradient, [dy, x, scale, mean, mul(g, deviation, deviation)], { epsilon });
    }
  }
}

function convolutionShape({ batch, channels, filters, image, kernel, stride, padding }: Convolution) {
  const extent = convExtent(image, kernel, stride, 2 * padding);
  return {
    output: [batch, filters, extent, extent],
    kernel: [filters, channels, kernel, kernel],
    attributes: { strides: [stride, stride], pads: [padding, padding, padding, padding] },
  };
}
