// From a spec to its model, whatever the family.

import type { ModelSpec } from './configs.ts';
import { arrange } from '../graph/passes/arrange.ts';
import { verify } from '../graph/verify.ts';
import type { ModelDefinition, ModelGraph } from '../models/model.ts';
import { trainingGraph } from '../models/training.ts';
import { createLlama } from './llama/model.ts';
import { createResNet } from './resnet/model.ts';
import { createSwin } from './swin/model.ts';
import { createViT } from './vit/model.ts';

type Creators = { [Name in ModelSpec['family']]: (spec: Extract<ModelSpec, { family: Name }>) => ModelDefinition };

const creators: Creators = { resnet: createResNet, swin: createSwin, vit: createViT, llama: createLlama };

export function createModel(spec: ModelSpec): ModelDefinition {
  const create = creators[spec.family] as (spec: ModelSpec) => ModelDefinition;
  const model = create(spec);
  return {
    ...model,
    training: (options) => arranged(trainingGraph(model, options)),
    evaluation: (options) => arranged(model.evaluation(options)),
    statistics: (options) => arranged(model.statistics(options)),
  };
}

/** Ready to run: with the nodes in the order that takes least memory. */
const arranged = (built: ModelGraph): ModelGraph => ({ ...built, graph: verify(arrange(built.graph)) });
