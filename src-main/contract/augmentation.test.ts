import { describe, expect, it } from 'vitest';
import { hasSoftLabels } from './augmentation.ts';
import { parseRunConfig } from './runConfig.ts';

const parsed = (augmentation: object) =>
  parseRunConfig({ model: { family: 'resnet' }, data: { dataset: 'x', augmentation } }).data.augmentation;

describe('augmentation', () => {
  it('of a preset has its keys, and keys that are given count', () => {
    expect(parsed({ preset: 'imagenet' })).toMatchObject({
      preset: 'imagenet',
      size: 224,
      evaluationResize: 256,
      resizedCrop: 0.08,
      flip: 0.5,
      cropPadding: 0,
    });
    expect(parsed({ preset: 'cifar', flip: 0 })).toMatchObject({ preset: 'custom', cropPadding: 4, flip: 0 });
    expect(parsed({ preset: 'cifar', randAugment: 2 })).toMatchObject({
      preset: 'cifar',
      randAugment: 2,
      magnitude: 9,
    });
  });

  it('is nothing by default', () => {
    const { preset, magnitude, ...changes } = parsed({});
    expect([preset, magnitude, ...new Set(Object.values(changes))]).toEqual(['none', 9, 0]);
  });

  it.each([
    [
      { resizedCrop: 0.08, cropPadding: 4 },
      /^data\.augmentation\.cropPadding and data\.augmentation\.resizedCrop exclude/,
    ],
    [{ size: 64, evaluationResize: 48 }, /^data\.augmentation\.evaluationResize must be at least .*size, 64, got 48$/],
    [{ flip: 2 }, /^data\.augmentation\.flip must be at most 1, got 2$/],
    [{ rotate: 10 }, /^data\.augmentation\.rotate is not a key/],
  ])('%o is refused', (augmentation, message) => {
    expect(() => parsed(augmentation)).toThrow(message);
  });

  it.each(['mixup', 'cutmix', 'labelSmoothing'])('with %s makes labels soft', (key) => {
    expect([hasSoftLabels(parsed({ [key]: 0.1 })), hasSoftLabels(parsed({ flip: 1 }))]).toEqual([true, false]);
  });
});
