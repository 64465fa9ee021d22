// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import { createLlama } from './llama.ts';
import type { ModelDefinition } from './model.ts';
import { createResNet } from './resnet.ts';
import { createSwin } from './swin.ts';
import { trainingGraph } from './training.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  const family = createFamily(spec);
  return { ...family, training: (options) => trainingGraph(family, options) };
}

function createFamily(spec: ModelSpec): ModelDefinition {
  switch (spec.family) {
    case 'resnet':
      return createResNet(spec);
    case 'swin':
      return createSwin(spec);
    case 'llama':
      return createLlama(spec);
  }
}
