// Vision Transformer (torchvision's vit_b_16 and any other sizes) as a model of SDP. Checked against the vit-* reference cases in
// models/cases.test.ts and replay/replay.process.test.ts.

import { createImageTransformer } from '../../models/imageTransformer.ts';
import type { ModelDefinition } from '../../models/model.ts';
import { checkImage, type ViTSpec } from './config.ts';
import { branchEnds, vitLogits } from './forward.ts';
import { vitHuggingFace, vitTimm } from './libraries.ts';
import { vitBlocks, vitTensors } from './tensors.ts';

export function createViT(spec: ViTSpec): ModelDefinition {
  checkImage(spec);
  const blocks = vitBlocks(spec);
  return createImageTransformer({
    family: 'vit',
    tensors: vitTensors(spec),
    constants: [],
    blocks,
    groups: blocks.flatMap((block) => [
      { id: `${block}/heads`, size: spec.heads },
      { id: `${block}/mlp`, size: spec.mlp },
    ]),
    sample: [spec.channels, ...spec.image],
    classes: spec.classes,
    branchEnds,
    logits: (layers, images) => vitLogits(spec, layers, images),
    timm: () => vitTimm(spec),
    huggingFace: () => vitHuggingFace(spec),
  });
}
