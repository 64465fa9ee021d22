// Swin Transformer (torchvision's swin_t and any other sizes) as a model of SDP. Checked against the swin-* reference cases in swin.test.ts.

import { createImageTransformer } from '../../models/imageTransformer.ts';
import type { ModelDefinition } from '../../models/model.ts';
import type { SwinSpec } from './config.ts';
import { branchEnds, swinLogits } from './forward.ts';
import { swinHuggingFace, swinTimm } from './libraries.ts';
import { swinConstants, swinStages, swinTensors } from './tensors.ts';

export function createSwin(spec: SwinSpec): ModelDefinition {
  const stages = swinStages(spec);
  return createImageTransformer({
    family: 'swin',
    tensors: swinTensors(spec),
    constants: swinConstants(spec),
    blocks: stages.flatMap(({ blocks }) => blocks),
    groups: stages.flatMap(({ blocks, heads, hidden }) =>
      blocks.flatMap((block) => [
        { id: `${block}/heads`, size: heads },
        { id: `${block}/mlp`, size: hidden },
      ]),
    ),
    sample: [spec.channels, ...spec.image],
    classes: spec.classes,
    branchEnds,
    logits: (layers, images) => swinLogits(spec, layers, images),
    timm: () => swinTimm(spec),
    huggingFace: () => swinHuggingFace(spec),
  });
}
