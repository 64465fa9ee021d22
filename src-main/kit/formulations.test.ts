import { expect, test } from 'vitest';
import { formulationSubjects } from '../graph/lower/timing.ts';
import { rulesOf } from './formulations.ts';

test('rules name the fastest formulation of each shape, and of standard operators where that is a custom one', () => {
  const weights = formulationSubjects().filter(({ operator }) => operator === 'ConvWeightGradient');
  const [first, second] = weights.filter(({ title }) => title.includes('64, 32x32'));
  const last = weights.find(({ title }) => title.includes('512 -> 512'))!;
  const rules = rulesOf([
    { subject: second!, names: ['cudnn', 'shifted', 'patches'] },
    { subject: first!, names: ['patches', 'shifted'] },
    { subject: last, names: ['convolution3d', 'cudnn'] },
  ]);
  const plain = { stride: 1, taps: 9 };
  expect(rules).toEqual({
    ConvWeightGradient: [
      { ...plain, maxChannels: 512, maxPixels: 16, use: 'convolution3d' },
      { ...plain, maxChannels: 3, maxPixels: 1024, use: 'patches' },
      { ...plain, maxChannels: 64, maxPixels: 1024, use: 'cudnn' },
      { ...plain, maxChannels: 64, maxPixels: 1024, use: 'shifted' },
      { use: 'shifted' },
    ],
  });
});
