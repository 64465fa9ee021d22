// Ready runs that the first screen offers; their configurations are files of resources/.

import { parse } from 'yaml';
import mnistResnet18 from '../../resources/mnist-resnet18.yaml?raw';
import speechesLlama from '../../resources/speeches-llama.yaml?raw';
import type { Sample } from '../contract/commands.ts';
import { parseRunConfig } from '../contract/runConfig.ts';

export const samples: readonly Sample[] = [
  {
    id: 'mnist-resnet18',
    title: 'Handwritten digits with ResNet-18',
    description: 'MNIST, four subnetworks, each block held by two of them, forward masking',
    config: parseRunConfig(parse(mnistResnet18)),
  },
  {
    id: 'speeches-llama',
    title: 'English speeches with a small LLaMA',
    description:
      'State of the Union speeches as bytes, four subnetworks, each index of a layer held by two of them, forward masking',
    config: parseRunConfig(parse(speechesLlama)),
  },
];
