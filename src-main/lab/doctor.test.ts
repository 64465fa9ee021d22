import { expect, it } from 'vitest';
import type { Dataset } from '../contract/commands.ts';
import { optimizerSpec } from '../contract/optimizers.ts';
import { optimizerSlots } from '../contract/records.ts';
import { storeBytes, storeLayout } from '../memory/storeLayout.ts';
import { createModel } from '../families/models.ts';
import { sampleStoreBytes } from './doctor.ts';
import { matchData } from '../plan/match.ts';
import { runMasks } from '../plan/plan.ts';
import { samples } from './samples.ts';

it('knows the size of the store of the sample', () => {
  const { config } = samples[0]!;
  const mnist = { kind: 'images', train: 60_000, test: 10_000, classes: 10, sample: [1, 28, 28] } as unknown as Dataset;
  const model = createModel(matchData(config, mnist).spec);
  const masks = runMasks(model, config, config.training.batch / config.subnetworks.workers);
  const options = { numParticipants: 1, optimizerSlots: optimizerSlots(optimizerSpec(config.training)) };
  const bytes = storeBytes(
    storeLayout(model.tensors, masks, { ...options, statisticsBatches: 1, evaluationBatches: 1 }),
  );
  expect(Math.abs(sampleStoreBytes / bytes - 1)).toBeLessThan(0.05);
});
