// Model families by name.

import type { ModelSpec } from '../contract/deviceMessages.ts';
import { arrange } from '../graph/passes/arrange.ts';
import { verify } from '../graph/verify.ts';
import { createLlama } from './llama.ts';
import type { ModelDefinition, ModelGraph } from './model.ts';
import { createResNet } from './resnet.ts';
import { createSwin } from './swin.ts';
import { trainingGraph } from './training.ts';

export function createModel(spec: ModelSpec): ModelDefinition {
  const family = createFamily(spec);
  return {
    ...family,
    training: (options) => arranged(trainingGraph(family, options)),
    evaluation: (options) => arranged(family.evaluation(options)),
    statistics: (options) => arranged(family.statistics(options)),
  };
}

/** Ready to run: with the nodes in the order that takes least memory. */
const arranged = (built: ModelGraph): ModelGraph => ({ ...built, graph: verify(arrange(built.graph)) });

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
