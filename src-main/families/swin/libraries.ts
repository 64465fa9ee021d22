// A Swin Transformer as timm and Hugging Face have it.
//
// Both take a window that is larger than the image of a stage for one of the image's own size, and timm pads after the shift where torchvision
// pads before it. So only networks are exported whose windows cover the image of every stage exactly.

import type { ImageLibrary } from '../../models/model.ts';
import { hasNoSuch, renamer, type Renames } from '../renames.ts';
import type { SwinSpec } from './config.ts';
import { swinStages } from './tensors.ts';

const index = /attn\.relative_position_index$/;

const toTimm: Renames = [
  [/^features\.0\.0/, 'patch_embed.proj'],
  [/^features\.0\.2/, 'patch_embed.norm'],
  [/^features\.(\d+)\.(reduction|norm)\b/, (_, place, layer) => `layers.${Number(place) / 2}.downsample.${layer}`],
  [/^features\.(\d+)\.(\d+)/, (_, place, block) => `layers.${(Number(place) - 1) / 2}.blocks.${block}`],
  [/mlp\.0/, 'mlp.fc1'],
  [/mlp\.3/, 'mlp.fc2'],
  [/^head/, 'head.fc'],
];

export function swinTimm(spec: SwinSpec): ImageLibrary {
  checkCover('timm', spec);
  const { image, patch, window, embed, depths, heads, mlpRatio, channels, classes } = spec;
  const rename = renamer(toTimm);
  return {
    names: (tensor) => (index.test(tensor) ? [] : rename(tensor)),
    config: {
      architecture: 'swin_tiny_patch4_window7_224',
      num_classes: classes,
      num_features: swinStages(spec).at(-1)!.channels,
      classifier: 'head.fc',
      model_args: {
        img_size: image,
        patch_size: patch[0],
        window_size: window[0],
        embed_dim: embed,
        depths,
        num_heads: heads,
        mlp_ratio: mlpRatio,
        in_chans: channels,
      },
    },
  };
}

const toHuggingFace: Renames = [
  [/^features\.0\.0/, 'swin.embeddings.patch_embeddings.projection'],
  [/^features\.0\.2/, 'swin.embeddings.norm'],
  [
    /^features\.(\d+)\.(reduction|norm)\b/,
    (_, place, layer) => `swin.encoder.layers.${Number(place) / 2 - 1}.downsample.${layer}`,
  ],
  [/^features\.(\d+)\.(\d+)/, (_, place, block) => `swin.encoder.layers.${(Number(place) - 1) / 2}.blocks.${block}`],
  [/norm1/, 'layernorm_before'],
  [/norm2/, 'layernorm_after'],
  [/attn\.relative_position/, 'attention.self.relative_position'],
  [/attn\.qkv/, 'attention.self.{query,key,value}'],
  [/attn\.proj/, 'attention.output.dense'],
  [/mlp\.0/, 'intermediate.dense'],
  [/mlp\.3/, 'output.dense'],
  [/^norm/, 'swin.layernorm'],
  [/^head/, 'classifier'],
];

export function swinHuggingFace(spec: SwinSpec): ImageLibrary {
  checkCover('transformers', spec);
  const { image, patch, window, embed, depths, heads, mlpRatio, channels } = spec;
  const tokens = window[0] * window[1];
  return {
    names: renamer(toHuggingFace),
    shape: (tensor) => (index.test(tensor) ? [tokens, tokens] : undefined),
    config: {
      architectures: ['SwinForImageClassification'],
      model_type: 'swin',
      image_size: image[0] === image[1] ? image[0] : image,
      patch_size: patch[0],
      num_channels: channels,
      embed_dim: embed,
      depths,
      num_heads: heads,
      window_size: window[0],
      mlp_ratio: mlpRatio,
      qkv_bias: true,
      hidden_act: 'gelu',
      layer_norm_eps: 1e-5,
      use_absolute_embeddings: false,
    },
  };
}

function checkCover(library: string, spec: SwinSpec): void {
  const { image, patch, window } = spec;
  if (image.some((extent, i) => extent % patch[i]! !== 0))
    throw hasNoSuch(library, `patches of ${patch.join('x')} must cover the image there, and it is ${image.join('x')}`);
  const stage = swinStages(spec).findIndex((one) => one.image.some((extent, i) => extent % window[i]! !== 0));
  if (stage < 0) return;
  const found = swinStages(spec)[stage]!.image.join('x');
  throw hasNoSuch(
    library,
    `windows of ${window.join('x')} must cover each stage there, and stage ${stage + 1} has ${found} patches`,
  );
}
