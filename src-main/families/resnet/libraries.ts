// A ResNet of basic blocks as timm and Hugging Face have it. timm's names are torchvision's own.

import type { ImageLibrary } from '../../models/model.ts';
import { hasNoSuch, renamer, type Renames } from '../renames.ts';
import type { ResNetSpec } from './config.ts';

/** Both libraries build the stem of ImageNet alone; in timm, code can put another in its place. */
export function resnetTimm({ layers, width, stem, channels, classes }: ResNetSpec): ImageLibrary {
  if (layers.length !== 4) throw hasNoSuch('timm', `a ResNet has 4 stages there, and this model has ${layers.length}`);
  if (width !== 64)
    throw hasNoSuch('timm', `the first stage of a ResNet has 64 channels there, and model.width is ${width}`);
  const network = { architecture: 'resnet18', num_features: 8 * width, model_args: { layers, in_chans: channels } };
  return {
    names: (tensor) => [tensor],
    config: stem === 'cifar' ? null : { ...network, num_classes: classes, classifier: 'fc' },
  };
}

const renames: Renames = [
  [/^conv1/, 'resnet.embedder.embedder.convolution'],
  [/^bn1/, 'resnet.embedder.embedder.normalization'],
  [/^layer(\d+)\.(\d+)/, (_, stage, block) => `resnet.encoder.stages.${Number(stage) - 1}.layers.${block}`],
  [/downsample\.0/, 'shortcut.convolution'],
  [/downsample\.1/, 'shortcut.normalization'],
  [/\.conv([12])/, (_, layer) => `.layer.${Number(layer) - 1}.convolution`],
  [/\.bn([12])/, (_, layer) => `.layer.${Number(layer) - 1}.normalization`],
  [/^fc/, 'classifier.1'],
];

export function resnetHuggingFace({ layers, width, stem, channels }: ResNetSpec): ImageLibrary {
  if (stem === 'cifar')
    throw hasNoSuch('transformers', 'a ResNet has the stem of ImageNet there, and model.stem is cifar');
  return {
    names: renamer(renames),
    config: {
      architectures: ['ResNetForImageClassification'],
      model_type: 'resnet',
      num_channels: channels,
      embedding_size: width,
      hidden_sizes: layers.map((_, stage) => width * 2 ** stage),
      depths: layers,
      layer_type: 'basic',
      hidden_act: 'relu',
      downsample_in_first_stage: false,
    },
  };
}
