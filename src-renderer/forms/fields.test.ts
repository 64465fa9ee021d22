import { describe, expect, test } from 'vitest';
import { parseRunConfig } from '../../src-main/contract/runConfig.ts';
import { configFacts, fieldOfKey, formFields, formValues, isRelevant, rawConfig, type FormValues } from './fields.ts';

const minimal = { model: { family: 'resnet' }, data: { dataset: 'mnist' } };

function fieldOf(key: string) {
  return formFields.find((field) => field.key === key)!;
}

test('every leaf of the schema has a field with label and description', () => {
  expect(formFields.map(({ key }) => key)).toEqual(
    expect.arrayContaining(['name', 'model.layers', 'data.dataset', 'devices', 'training.clipGlobalNorm']),
  );
  expect(formFields.filter(({ label, description }) => !label || !description).map(({ key }) => key)).toEqual([]);
});

test('labels, ranges and choices come from the schema', () => {
  expect(fieldOf('subnetworks.workers')).toEqual({
    id: 'subnetworks.workers',
    key: 'subnetworks.workers',
    family: undefined,
    section: 'subnetworks',
    label: 'Workers',
    description: 'Number of logical workers N; each trains one subnetwork',
    kind: 'number',
    choices: [],
    fallback: '4',
    integer: true,
    min: 1,
    max: 256,
  });
  expect(fieldOf('training.clipGlobalNorm').label).toBe('Clip global norm');
  expect(fieldOf('training.schedule').choices).toEqual(['constant', 'cosine', 'onecycle', 'step']);
  expect(fieldOf('training.seed').max).toBe(2 ** 32 - 1);
  expect(fieldOf('evaluation.every').max).toBe(1e9);
});

test('a configuration survives the way through the form', () => {
  const config = parseRunConfig({
    ...minimal,
    name: 'a name',
    devices: ['cpu:0', { id: 'cpu:1', threads: 2, memory: '2GiB' }, { id: 'cpu:2', memory: 2e9 }],
    training: { nesterov: true, learningRate: 1e-5 },
  });
  expect(parseRunConfig(rawConfig(formValues(config)))).toEqual(config);
});

test('the defaults of the form are those of the schema', () => {
  const values = { ...formValues(), 'data.dataset': 'mnist' };
  expect(parseRunConfig(rawConfig(values))).toEqual(parseRunConfig(minimal));
});

test('an empty control means the default, text that is no number is named', () => {
  const values = { ...formValues(), 'data.dataset': 'mnist', 'training.steps': ' ' };
  expect(parseRunConfig(rawConfig(values)).training.steps).toBe(300);
  expect(() => parseRunConfig(rawConfig({ ...values, 'training.batch': '12x' }))).toThrow(/^training\.batch .*12x/);
});

test('layers are read with commas or spaces, or as the name of a preset', () => {
  expect(rawConfig({ ...formValues(), 'model.layers': '3 4, 6,3' }).model).toMatchObject({ layers: [3, 4, 6, 3] });
  expect(rawConfig({ ...formValues(), 'model.layers': 'resnet34' }).model).toMatchObject({ layers: 'resnet34' });
});

test('a preset of augmentation takes the place of its keys, and language models have none', () => {
  const shown = (values: FormValues) =>
    formFields.filter((one) => one.section === 'augmentation' && isRelevant(one, values)).map(({ label }) => label);
  const preset = (name: string) => ({ ...formValues(), 'data.dataset': 'mnist', 'data.augmentation.preset': name });
  expect(shown(preset('custom'))).toContain('Crop padding');
  expect(shown(preset('cifar'))).not.toContain('Crop padding');
  expect(shown({ ...preset('none'), 'model.family': 'llama' })).toEqual([]);
  const config = parseRunConfig({ ...minimal, data: { dataset: 'mnist', augmentation: { preset: 'imagenet' } } });
  expect(parseRunConfig(rawConfig(formValues(config)))).toEqual(config);
  expect(parseRunConfig(rawConfig(preset('cifar'))).data.augmentation).toMatchObject({ preset: 'cifar', flip: 0.5 });
});

test('keys of one choice are relevant under it only', () => {
  const values = formValues();
  expect([isRelevant(fieldOf('training.beta1'), values), isRelevant(fieldOf('training.momentum'), values)]).toEqual([
    false,
    true,
  ]);
});

describe('an error finds its field', () => {
  test.each([
    ['training.batch', 'training.batch'],
    ['model.layers.0', 'model.layers'],
    ['devices.1.id', 'devices'],
    ['data.dataset', 'data.dataset'],
    ['name', 'name'],
    ['elsewhere', undefined],
    [undefined, undefined],
  ])('%s', (key, expected) => {
    expect(fieldOfKey(key)?.key).toBe(expected);
  });
});

describe('model families', () => {
  const llama = { ...formValues(), 'data.dataset': 'text', 'model.family': 'llama' };
  const shown = (values: FormValues) =>
    formFields.filter((field) => field.section === 'model' && isRelevant(field, values)).map(({ id }) => id);

  test('have their own controls, also for keys of one name', () => {
    expect(shown(formValues())).toEqual(['model.family', 'model.layers', 'model.width', 'model.stem']);
    expect(shown(llama)).toEqual(
      expect.arrayContaining(['model.family', 'llama:model.layers', 'llama:model.heads', 'llama:model.vocab']),
    );
    expect(new Set(formFields.map(({ id }) => id)).size).toBe(formFields.length);
    expect(parseRunConfig(rawConfig(llama)).model).toMatchObject({ family: 'llama', layers: 6, tied: false });
  });

  test('a preset takes the place of its sizes', () => {
    const named = { ...llama, 'llama:model.preset': '134M' };
    expect(shown(named)).toEqual(['model.family', 'llama:model.preset', 'llama:model.seq', 'llama:model.vocab']);
    const config = parseRunConfig(rawConfig(named));
    expect(config.model).toMatchObject({ preset: '134M', hidden: 768, layers: 12 });
    expect(parseRunConfig(rawConfig(formValues(config)))).toEqual(config);
  });

  test('each preset hides the sizes of its own family', () => {
    const swin = { ...formValues(), 'data.dataset': 'mnist', 'model.family': 'swin' };
    expect(shown(swin)).toEqual(expect.arrayContaining(['swin:model.depths', 'swin:model.heads', 'swin:model.window']));
    const lists = { ...swin, 'swin:model.depths': '2, 2', 'swin:model.heads': '2 4' };
    expect(parseRunConfig(rawConfig(lists)).model).toMatchObject({ depths: [2, 2], heads: [2, 4] });
    const named = { ...swin, 'swin:model.preset': 'swin_s' };
    expect(shown(named)).toEqual(['model.family', 'swin:model.preset']);
    expect(parseRunConfig(rawConfig(named)).model).toMatchObject({ preset: 'swin_s', depths: [2, 2, 18, 2] });
  });
});

test('a configuration is read by the keys that have a value, and the augmentation that is switched on', () => {
  const facts = (augmentation: object) => {
    const config = parseRunConfig({ ...minimal, data: { dataset: 'mnist', augmentation } });
    return new Map(configFacts(config).map(({ key, text }) => [key, text]));
  };
  const plain = facts({});
  expect([plain.get('model.family'), plain.get('devices'), plain.get('data.dataset')]).toEqual([
    'resnet',
    'auto',
    'mnist',
  ]);
  expect([...plain].filter(([key, text]) => text === '' || key.startsWith('data.augmentation.'))).toEqual([]);
  const changed = [...facts({ flip: 0.5, mixup: 0.2 })].filter(([key]) => key.startsWith('data.augmentation.'));
  expect(Object.fromEntries(changed)).toEqual({
    'data.augmentation.flip': '0.5',
    'data.augmentation.mixup': '0.2',
  });
});
