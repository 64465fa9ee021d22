// Ready runs that the first screen offers.

import type { Sample } from '../contract/commands.ts';
import { runConfig } from '../contract/runConfig.ts';

export const samples: readonly Sample[] = [
  {
    id: 'mnist-resnet18',
    title: 'Handwritten digits with ResNet-18',
    description: 'MNIST, four subnetworks, each block held by two of them, forward masking',
    config: runConfig.parse({
      name: 'mnist-resnet18',
      model: { family: 'resnet', layers: [2, 2, 2, 2], width: 16, stem: 'cifar' },
      data: { dataset: 'mnist' },
      subnetworks: { workers: 4, coverage: 2, granularity: 'block', masking: 'forward' },
      training: { steps: 400, batch: 128, learningRate: 0.1, schedule: 'onecycle' },
      evaluation: { every: 100, samples: 0, batch: 250 },
      checkpoint: { every: 100 },
    }),
  },
];
