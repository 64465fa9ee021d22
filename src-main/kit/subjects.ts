// The models that the kit measures, and their small stand-ins for a quick pass.

import { modelConfig, withPresets, type ModelSpec } from '../families/configs.ts';
import type { Regime } from './engine.ts';

export interface Subject {
  name: 'resnet' | 'llama' | 'swin';
  title: string;
  spec: ModelSpec;
  batch: number;
  optimizer: 'sgd' | 'adamw';
  learningRate: number;
}

export const regimes: readonly Regime[] = ['ddp', 'block-forward', 'neuron-forward'];

export function subjects(quick: boolean): readonly Subject[] {
  const llama = modelConfig.parse(withPresets({ family: 'llama', preset: '134M', vocab: 32_000, seq: 512 }));
  const swin = modelConfig.parse(withPresets({ family: 'swin', preset: 'swin_t' }));
  if (llama.family !== 'llama' || swin.family !== 'swin') throw new Error('presets of other families');
  const { hidden, ff, layers, heads, kvHeads, tied, seq } = llama;
  const { embed, depths, heads: swinHeads, mlpRatio } = swin;
  const resnet = {
    family: 'resnet',
    layers: [2, 2, 2, 2],
    width: 64,
    stem: 'cifar',
    channels: 3,
    classes: 10,
  } as const;
  const imageNet = { family: 'swin', patch: [4, 4], window: [7, 7], channels: 3 } as const;
  const sgd = { optimizer: 'sgd', learningRate: 0.01 } as const;
  const adamw = { optimizer: 'adamw', learningRate: 1e-4 } as const;
  if (quick)
    return [
      subject(
        'resnet',
        'ResNet of 4 blocks, 16x16, batch 4',
        { ...resnet, layers: [1, 1, 1, 1], image: [16, 16] },
        4,
        sgd,
      ),
      subject(
        'llama',
        'LLaMA of 2 blocks, 64 tokens, batch 2',
        { family: 'llama', vocab: 256, hidden: 64, ff: 128, layers: 2, heads: 4, kvHeads: 2, seq: 64, tied: false },
        2,
        adamw,
      ),
      subject(
        'swin',
        'Swin of 2 stages, 56x56, batch 2',
        {
          ...imageNet,
          patch: [...imageNet.patch],
          window: [...imageNet.window],
          embed: 32,
          depths: [2, 2],
          heads: [2, 4],
          mlpRatio: 4,
          image: [56, 56],
          classes: 10,
        },
        2,
        adamw,
      ),
    ];
  return [
    subject(
      'resnet',
      'ResNet-18, CIFAR, batch 128',
      { ...resnet, layers: [...resnet.layers], image: [32, 32] },
      128,
      sgd,
    ),
    subject(
      'llama',
      'LLaMA 134M, 512 tokens, batch 8',
      { family: 'llama', vocab: 32_000, hidden, ff, layers, heads, kvHeads, seq, tied },
      8,
      adamw,
    ),
    subject(
      'swin',
      'Swin-T, 224x224, batch 32',
      {
        ...imageNet,
        patch: [...imageNet.patch],
        window: [...imageNet.window],
        embed,
        depths,
        heads: swinHeads,
        mlpRatio,
        image: [224, 224],
        classes: 1000,
      },
      32,
      adamw,
    ),
  ];
}

function subject(
  name: Subject['name'],
  title: string,
  spec: ModelSpec,
  batch: number,
  training: Pick<Subject, 'optimizer' | 'learningRate'>,
): Subject {
  return { name, title, spec, batch, ...training };
}
