import { expect, test } from 'vitest';
import { parseRunConfig } from '../../src-main/contract/runConfig.ts';
import { lineOfKey, readYaml, yamlOf } from './yamlConfig.ts';

const config = parseRunConfig({ model: { family: 'resnet' }, data: { dataset: 'mnist' } });

test('what is written is read back', () => {
  expect(readYaml(yamlOf(config))).toEqual({ config });
});

test.each([
  [
    'name: a\nmodel: {family: resnet}\ndata: {dataset: mnist}\ntraining:\n  steps: 3\n  batch: 30\n',
    6,
    'training.batch must be divisible by 4 workers, got 30',
  ],
  ['model:\n  family: resnet\ndata: {}\n', 3, 'data.dataset is missing'],
  [
    'model:\n  family: swin\n  embed: 24\n  depths: [2, 2]\n  heads:\n    - 3\n    - 5\ndata: {dataset: a}\n',
    7,
    'model.heads.1 must divide the 48 channels of its stage, got 5',
  ],
  ['model: [\n', 2, 'Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ['- a\n', 1, 'the configuration must be a section with keys, got ["a"]'],
])('%j is wrong at line %d', (text, line, message) => {
  expect(readYaml(text)).toEqual({ line, message });
});

test.each([
  `model: ${'['.repeat(50_000)}`,
  `a: &a [x]\n${[...new Array(200).keys()].map((k) => `k${k}: [*a]`).join('\n')}`,
])('YAML that cannot be taken in is wrong at its first line (%#)', (text) =>
  expect(readYaml(text)).toEqual({ line: 1, message: expect.any(String) as string }),
);

test('a key that is not there is looked for at its section', () => {
  expect(lineOfKey('name: a\ntraining:\n  steps: 3\n', 'training.batch')).toBe(3);
  expect(lineOfKey('name: a\n', 'training.batch')).toBe(1);
});
