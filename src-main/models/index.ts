// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import type { ModelDefinition } from './model.ts';
import { createResNet } from './resnet.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  return createResNet(spec);
}
