// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import type { ModelDefinition } from './model.ts';
import { createResNet } from './resnet.ts';
import { trainingGraph } from './training.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  const family = createResNet(spec);
  return { ...family, training: (options) => trainingGraph(family, options) };
}
