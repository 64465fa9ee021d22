// A Vision Transformer as timm and Hugging Face have it.

import type { ImageLibrary } from '../../models/model.ts';
import { ratioOf, renamer, type Renames } from '../renames.ts';
import type { ViTSpec } from './config.ts';
import { epsilon } from './forward.ts';

const toTimm: Renames = [
  [/^class_token/, 'cls_token'],
  [/^conv_proj/, 'patch_embed.proj'],
  [/^encoder\.pos_embedding/, 'pos_embed'],
  [/^encoder\.layers\.encoder_layer_/, 'blocks.'],
  [/ln_([12])/, 'norm$1'],
  [/self_attention\.in_proj_/, 'attn.qkv.'],
  [/self_attention\.out_proj/, 'attn.proj'],
  [/mlp\.0/, 'mlp.fc1'],
  [/mlp\.3/, 'mlp.fc2'],
  [/^encoder\.ln/, 'norm'],
  [/^heads\.head/, 'head'],
];

export function vitTimm({ image, patch, hidden, mlp, layers, heads, channels, classes }: ViTSpec): ImageLibrary {
  return {
    names: renamer(toTimm),
    config: {
      architecture: 'vit_base_patch16_224',
      num_classes: classes,
      num_features: hidden,
      classifier: 'head',
      model_args: {
        img_size: image,
        patch_size: patch,
        embed_dim: hidden,
        depth: layers,
        num_heads: heads,
        mlp_ratio: ratioOf(mlp, hidden),
        in_chans: channels,
      },
    },
  };
}

const toHuggingFace: Renames = [
  [/^class_token/, 'vit.embeddings.cls_token'],
  [/^conv_proj/, 'vit.embeddings.patch_embeddings.projection'],
  [/^encoder\.pos_embedding/, 'vit.embeddings.position_embeddings'],
  [/^encoder\.layers\.encoder_layer_/, 'vit.encoder.layer.'],
  [/ln_1/, 'layernorm_before'],
  [/ln_2/, 'layernorm_after'],
  [/self_attention\.in_proj_/, 'attention.attention.{query,key,value}.'],
  [/self_attention\.out_proj/, 'attention.output.dense'],
  [/mlp\.0/, 'intermediate.dense'],
  [/mlp\.3/, 'output.dense'],
  [/^encoder\.ln/, 'vit.layernorm'],
  [/^heads\.head/, 'classifier'],
];

export function vitHuggingFace({ image, patch, hidden, mlp, layers, heads, channels }: ViTSpec): ImageLibrary {
  return {
    names: renamer(toHuggingFace),
    config: {
      architectures: ['ViTForImageClassification'],
      model_type: 'vit',
      image_size: image[0],
      patch_size: patch,
      num_channels: channels,
      hidden_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: mlp,
      hidden_act: 'gelu',
      layer_norm_eps: epsilon,
      qkv_bias: true,
    },
  };
}
