// Images of an imported split as the network sees them in evaluation; for looking at and for export checks, not for training.

import type { DeviceSetup } from '../contract/deviceMessages.ts';
import { native } from '../native.ts';
import type { SplitSource } from './catalogue.ts';

/** The given samples, [n,C,H,W], normalised. */
export async function readImages(
  source: SplitSource & Partial<Pick<DeviceSetup['training'], 'augmentation'>>,
  samples: number[],
): Promise<Float32Array> {
  const irrelevant = { seed: 0, numWorkers: 1, microBatch: 1, accumulation: 1, sequence: 0 };
  return await native().readImages({ kind: 'images', ...source, ...irrelevant }, samples);
}
