// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import { createLlama } from './llama.ts';
import type { ModelDefinition } from './model.ts';
import { createResNet } from './resnet.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  return spec.family === 'llama' ? createLlama(spec) : createResNet(spec);
}
