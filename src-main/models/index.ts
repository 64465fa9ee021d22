// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import { createLlama } from './llama.ts';
import type { ModelDefinition } from './model.ts';
import { createResNet } from './resnet.ts';
import { createSwin } from './swin.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  switch (spec.family) {
    case 'resnet':
      return createResNet(spec);
    case 'swin':
      return createSwin(spec);
    case 'llama':
      return createLlama(spec);
  }
}
