import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { UserError, exitCode } from './errors.ts';
import { appCommands } from './commands.ts';
import { unitsFile } from './plan.ts';
import { parseRunConfig, runConfig } from './runConfig.ts';

const good = { model: { family: 'resnet' }, data: { dataset: 'mnist' } };

it('fills everything but model family and dataset with defaults', () => {
  expect(parseRunConfig(good)).toMatchObject({
    model: { layers: [2, 2, 2, 2], width: 64, stem: 'cifar' },
    subnetworks: { workers: 4, coverage: 2, granularity: 'block', masking: 'forward' },
    devices: 'auto',
    training: { optimizer: 'sgd', batch: 128 },
  });
});

it('takes presets by name', () => {
  const layers = (name: string) =>
    (parseRunConfig({ ...good, model: { family: 'resnet', layers: name } }).model as { layers: number[] }).layers;
  expect([layers('resnet18'), layers('resnet34')]).toEqual([
    [2, 2, 2, 2],
    [3, 4, 6, 3],
  ]);
});

it('takes a Swin Transformer by name, and calls it custom where a size differs', () => {
  const model = (of: object) => parseRunConfig({ ...good, model: { family: 'swin', ...of } }).model;
  expect(model({ preset: 'swin_b' })).toMatchObject({ preset: 'swin_b', embed: 128, heads: [4, 8, 16, 32] });
  expect(model({ preset: 'swin_t', window: 4 })).toMatchObject({ preset: 'custom', embed: 96, window: 4 });
});

const swin = { family: 'swin', embed: 24, depths: [2, 2] };

describe('a language model', () => {
  const text = { data: { dataset: 'text' } };
  const modelOf = (model: object) => parseRunConfig({ ...text, model: { family: 'llama', ...model } }).model;

  it('takes sizes from a preset, and calls them custom where one differs', () => {
    expect(modelOf({ preset: '1B', seq: 128 })).toMatchObject({ preset: '1B', hidden: 2048, kvHeads: 8, seq: 128 });
    expect(modelOf({ preset: '15M', layers: 3 })).toMatchObject({ preset: 'custom', hidden: 288, layers: 3 });
    expect(modelOf(modelOf({ preset: '500M' }))).toEqual(modelOf({ preset: '500M' }));
  });

  it.each([
    [{ heads: 5 }, 'model.heads must divide model.hidden, 256, got 5'],
    [{ hidden: 24, heads: 8 }, 'model.heads must leave heads of even size, but 24 / 8 is 3'],
    [{ kvHeads: 3 }, 'model.kvHeads must divide model.heads, 8, got 3'],
    [{ family: 'bert' }, 'model.family must be resnet or swin or vit or llama, got "bert"'],
    [{ family: undefined }, 'model.family is missing'],
    [{ preset: '7B' }, 'model.preset must be custom or 15M or 134M or 500M or 1B, got "7B"'],
    [{ width: 3 }, 'model.width is not a key of the run configuration'],
  ])('is refused with %o', (model, message) => {
    expect(() => modelOf(model)).toThrow(message);
  });
});

const broken: [string, object, string, string][] = [
  [
    'coverage 0',
    { ...good, subnetworks: { coverage: 0 } },
    'subnetworks.coverage',
    'subnetworks.coverage must be from 1 to the number of workers, 4, got 0',
  ],
  [
    'coverage above N',
    { ...good, subnetworks: { workers: 2, coverage: 3 } },
    'subnetworks.coverage',
    'subnetworks.coverage must be from 1 to the number of workers, 2, got 3',
  ],
  [
    'a batch that does not divide',
    { ...good, training: { batch: 30 } },
    'training.batch',
    'training.batch must be divisible by 4 workers, got 30',
  ],
  [
    'micro-batches that do not divide',
    { ...good, training: { batch: 32, accumulation: 3 } },
    'training.batch',
    'training.batch must be divisible by 4 workers times 3 micro-batches, got 32',
  ],
  [
    'no micro-batch at all',
    { ...good, training: { accumulation: 0 } },
    'training.accumulation',
    'training.accumulation must be at least 1, got 0',
  ],
  [
    'recomputation of something unknown',
    { ...good, training: { recompute: 'all' } },
    'training.recompute',
    'training.recompute must be none or block, got "all"',
  ],
  [
    'dropping everything',
    { ...good, training: { dropout: 1 } },
    'training.dropout',
    'training.dropout must be below 1, got 1',
  ],
  [
    'a negative probability',
    { ...good, training: { stochasticDepth: -0.1 } },
    'training.stochasticDepth',
    'training.stochasticDepth must be at least 0, got -0.1',
  ],
  [
    'an unknown key',
    { ...good, training: { stepz: 1 } },
    'training.stepz',
    'training.stepz is not a key of the run configuration',
  ],
  ['an unknown section', { ...good, trainning: {} }, 'trainning', 'trainning is not a key of the run configuration'],
  [
    'a wrong type',
    { ...good, training: { steps: 'many' } },
    'training.steps',
    'training.steps must be a number, got "many"',
  ],
  ['a missing dataset', { model: { family: 'resnet' }, data: {} }, 'data.dataset', 'data.dataset is missing'],
  ['a missing section', { model: { family: 'resnet' } }, 'data', 'data is missing'],
  [
    'half a step',
    { ...good, training: { steps: 1.5 } },
    'training.steps',
    'training.steps must be an integer, got 1.5',
  ],
  ['no step', { ...good, training: { steps: 0 } }, 'training.steps', 'training.steps must be at least 1, got 0'],
  [
    'a wrong word',
    { ...good, subnetworks: { granularity: 'layer' } },
    'subnetworks.granularity',
    'subnetworks.granularity must be block or neuron, got "layer"',
  ],
  [
    'another family',
    { ...good, model: { family: 'vgg' } },
    'model.family',
    'model.family must be resnet or swin or vit or llama, got "vgg"',
  ],
  [
    'heads that do not divide',
    { ...good, model: { ...swin, heads: [3, 5] } },
    'model.heads.1',
    'model.heads.1 must divide the 48 channels of its stage, got 5',
  ],
  [
    'heads for other stages',
    { ...good, model: { ...swin, heads: [3] } },
    'model.heads',
    'model.heads must have an entry for each of the 2 stages of model.depths, got 1',
  ],
  ['a device of no kind', { ...good, devices: ['gpu'] }, 'devices.0', 'devices.0 must look like cpu:0, got "gpu"'],
  ['a list for the sections', [], 'the configuration', 'the configuration must be a section with keys, got []'],
  [
    'more workers on devices than there are',
    { ...good, subnetworks: { workers: 4 }, devices: [{ id: 'cpu:0', workers: 4 }, 'cpu:1'] },
    'devices',
    'devices must have 4 workers in all, got 5',
  ],
  [
    'fewer workers on devices than there are',
    {
      ...good,
      subnetworks: { workers: 4 },
      devices: [
        { id: 'cpu:0', workers: 1 },
        { id: 'cpu:1', workers: 2 },
      ],
    },
    'devices',
    'devices must have 4 workers in all, got 3',
  ],
  ['a device twice', { ...good, devices: ['cpu:0', { id: 'cpu:0' }] }, 'devices', 'devices names cpu:0 twice'],
  [
    'more devices than workers',
    { ...good, subnetworks: { workers: 1, coverage: 1 }, devices: ['cpu:0', 'cpu:1'] },
    'devices',
    'devices must be at most one per worker, 1, got 2',
  ],
  [
    'a memory limit that is no size',
    { ...good, devices: ['cpu:0', { id: 'cpu:1', memory: '2 gigs' }] },
    'devices.1.memory',
    'devices.1.memory must be a size such as 2GiB, 512MiB, 1.5GB or a number of bytes, got "2 gigs"',
  ],
  [
    'an unknown assignment',
    { ...good, subnetworks: { assignment: 'best' } },
    'subnetworks.assignment',
    'subnetworks.assignment must be count or cost or cyclic, got "best"',
  ],
  [
    'nesterov without momentum',
    { ...good, training: { nesterov: true, momentum: 0 } },
    'training.nesterov',
    'training.nesterov needs training.momentum above 0',
  ],
];

describe('a broken configuration is refused with one sentence that names its key', () => {
  it.each(broken)('%s', (_, config, key, message) => {
    const error = refusal(config);
    expect([error.code, error.key, error.message, exitCode(error)]).toEqual(['configuration', key, message, 2]);
  });
});

it.each([
  [{ model: { family: 'resnet', layers: [1_000_000, 1, 1, 1] } }, 'model.layers.0 must be at most 256, got 1000000'],
  [{ model: { family: 'swin', depths: [1, 1e6], heads: [1, 1] } }, 'model.depths.1 must be at most 256, got 1000000'],
  [{ model: { family: 'llama', layers: 1001 } }, 'model.layers must be at most 1000, got 1001'],
  [{ model: { family: 'llama', seq: 1e6 } }, 'model.seq must be at most 524288 with heads of size 32, got 1000000'],
  [{ training: { steps: 1e9 } }, 'training.steps must be at most 10000000, got 1000000000'],
  [{ training: { batch: 2 ** 40 } }, 'training.batch must be at most 16777216, got 1099511627776'],
  [{ data: { dataset: 'x'.repeat(101) } }, 'data.dataset must be at most 100, got "x'],
  [{ devices: new Array(257).fill('cpu:0') }, 'devices must be auto or a list of devices such as cpu:0, got ["cpu:0"'],
])('what no plan could have, %#, is refused before it is planned', (change, message) => {
  expect(refusal({ ...good, ...change }).message.slice(0, message.length)).toBe(message);
});

it('every list, text and number that a user gives has a limit, but for seeds and numbers of steps', () => {
  const unlimited: string[] = [];
  const visit = (schema: JsonSchema, path: string): void => {
    for (const option of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) visit(option, path);
    const limit = { string: 'maxLength', array: 'maxItems', integer: 'maximum', number: 'maximum' }[schema.type ?? ''];
    const fixed = schema.enum ?? schema.const ?? schema.pattern ?? schema.exclusiveMaximum;
    // The schema of a whole number has that of the language in any case.
    const isLimited =
      Number(schema[limit ?? ''] ?? Infinity) < (schema.type === 'number' ? Infinity : Number.MAX_SAFE_INTEGER);
    if (limit && fixed === undefined && !isLimited) unlimited.push(`${path} (${schema.type})`);
    for (const [key, value] of Object.entries(schema.properties ?? {}))
      if (key !== 'seed' && key !== 'step') visit(value, `${path}.${key}`);
    if (schema.items) visit(schema.items, `${path}[]`);
  };
  const options = { io: 'input', unrepresentable: 'any' } as const;
  visit(z.toJSONSchema(runConfig, options) as JsonSchema, 'config');
  visit(z.toJSONSchema(unitsFile, options) as JsonSchema, 'plan file');
  for (const [name, { params }] of Object.entries(appCommands))
    visit(z.toJSONSchema(params, options) as JsonSchema, name);
  expect(unlimited).toEqual([]);
});

interface JsonSchema extends Record<string, unknown> {
  type?: string;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
}

it('what is nested without end, or named as no object can be, is refused as any other mistake', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  const named = JSON.parse('{"__proto__": {"x": 1}}') as object;
  for (const [config, message] of [
    [{ ...good, model: deep }, 'model.0.0.0... is nested more than 64 levels deep'],
    [{ ...good, ...{ training: named } }, 'training.__proto__ is not a key of the run configuration'],
    [{ ...good, name: ['n'.repeat(5e6)] }, `name must be text, got ["${'n'.repeat(198)}...`],
  ] as const)
    expect(refusal(config)).toMatchObject({ code: 'configuration', message });
});

function refusal(config: unknown): UserError {
  try {
    parseRunConfig(config);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
