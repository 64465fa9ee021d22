// The form of a run configuration, derived from its schema: one field per key, with description, default, range and choices.
//
// Values of a form are what its controls hold: text, a flag, or rows of devices. An empty text means the default, so its key is left out.

import { z } from 'zod';
import { augmentationPresets } from '../../src-main/contract/augmentation.ts';
import { isOptimizerKey, optimizerKeys } from '../../src-main/contract/optimizers.ts';
import { families, presetKeys } from '../../src-main/families/configs.ts';
import { runConfig, type DeviceEntry, type RunConfig } from '../../src-main/contract/runConfig.ts';

export interface DeviceRow {
  id: string;
  /** Empty: the default. */
  threads: string;
  memory: string;
}

export type FieldValue = string | boolean | DeviceRow[];
export type FormValues = Record<string, FieldValue>;

export interface FormField {
  /** Of the control: the key, with its family in front where another family has the key too. */
  id: string;
  /** Dotted, as in messages about the configuration. */
  key: string;
  /** Model family that has the key; undefined: all. */
  family: string | undefined;
  section: string;
  label: string;
  description: string;
  kind: 'text' | 'number' | 'numbers' | 'choice' | 'flag' | 'devices';
  choices: string[];
  /** As text; empty where the key has none. */
  fallback: string;
  integer: boolean;
  min: number | undefined;
  max: number | undefined;
}

interface Schema {
  type?: string;
  const?: string;
  enum?: string[];
  default?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
  oneOf?: Schema[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

/** Keys that matter only for one choice of another key; the form shows them then. */
const onlyFor: Record<string, { key: string; value: string }> = {
  'training.finalFraction': { key: 'training.schedule', value: 'cosine' },
  'training.warmupShare': { key: 'training.schedule', value: 'onecycle' },
  'training.stepEvery': { key: 'training.schedule', value: 'step' },
  'training.stepFactor': { key: 'training.schedule', value: 'step' },
};

/** Of keys whose name alone says too little. */
const labels: Record<string, string> = { 'subnetworks.plan': 'Plan file' };

export const familyKey = 'model.family';
const augmentationKey = 'data.augmentation';

export const formFields: FormField[] = Object.entries(rootSchema().properties ?? {}).flatMap(([key, schema]) => {
  if (schema.oneOf) return modelFields(key, schema.oneOf);
  return groupFields(key === 'devices' ? 'devices' : 'run', key, key, schema);
});

/** The keys below a key, or its own; a group has the section of its name, but for the data, which are told with the run. */
function groupFields(section: string, key: string, name: string, schema: Schema): FormField[] {
  if (!schema.properties) return [field(section, key, name, schema)];
  const own = key === 'data' ? section : name;
  return Object.entries(schema.properties).flatMap(([part, property]) =>
    groupFields(own, `${key}.${part}`, part, property),
  );
}

/** Id of a key of a family; those of the first family are the keys themselves. */
export function modelFieldId(family: string, name: string): string {
  return [...families.keys()].indexOf(family) === 0 ? `model.${name}` : `${family}:model.${name}`;
}

/** One choice of the family, then the keys of each family. */
function modelFields(section: string, variants: Schema[]): FormField[] {
  const names = variants.map(({ properties }) => String(properties!.family!.const));
  const choice = { enum: names, description: 'Model family' };
  return [
    field(section, familyKey, 'family', choice),
    ...variants.flatMap(({ properties }, index) =>
      Object.entries(properties!)
        .filter(([name]) => name !== 'family')
        .map(([name, property]) => ({
          ...field(section, `${section}.${name}`, name, property),
          id: modelFieldId(names[index]!, name),
          family: names[index],
        })),
    ),
  ];
}

function rootSchema(): Schema {
  return z.toJSONSchema(runConfig, { io: 'input' }) as Schema;
}

function field(section: string, key: string, name: string, schema: Schema): FormField {
  return {
    id: key,
    key,
    family: undefined,
    section,
    label: labels[key] ?? humanise(name),
    description: schema.description ?? '',
    kind: kindOf(key, schema),
    choices: schema.const !== undefined ? [schema.const] : (schema.enum ?? []),
    fallback: schema.default === undefined ? '' : asText(schema.default),
    integer: schema.type === 'integer',
    min: bound(schema.minimum),
    max: bound(schema.maximum),
  };
}

function kindOf(key: string, schema: Schema): FormField['kind'] {
  if (key === 'devices') return 'devices';
  if (schema.enum || schema.const !== undefined) return 'choice';
  if (schema.type === 'boolean') return 'flag';
  if (schema.type === 'array') return 'numbers';
  return schema.type === 'number' || schema.type === 'integer' ? 'number' : 'text';
}

/** The largest safe integers stand for "no bound". */
function bound(value: number | undefined): number | undefined {
  return value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
}

function humanise(name: string): string {
  const words = name.replace(
    /([a-z])([A-Z0-9])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
  return words[0]!.toUpperCase() + words.slice(1);
}

export function asText(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** Whether the field has an effect, given the others. */
export function isRelevant(one: FormField, values: FormValues): boolean {
  const condition = onlyFor[one.key];
  return isPart(one, values) && isOfOptimizer(one, values) && (!condition || values[condition.key] === condition.value);
}

function isOfOptimizer({ key }: FormField, values: FormValues): boolean {
  const name = key.replace(/^training\./, '');
  return !Object.hasOwn(optimizerKeys, name) || isOptimizerKey(name, values['training.optimizer'] as string);
}

/** Whether the configuration has the key: those of other families it has not, and a preset takes the place of its own. */
function isPart({ key, family }: FormField, values: FormValues): boolean {
  if (key.startsWith(`${augmentationKey}.`)) return isAugmentationPart(key.slice(augmentationKey.length + 1), values);
  if (family !== undefined && values[familyKey] !== family) return false;
  if (family === undefined) return true;
  const named = values[modelFieldId(family, 'preset')] !== 'custom';
  return !(named && presetKeys(family).includes(key.slice('model.'.length)));
}

/** Images alone are changed. */
function isAugmentationPart(name: string, values: FormValues): boolean {
  const preset = values[`${augmentationKey}.preset`] as string;
  return (
    families.get(values[familyKey] as string)?.reads === 'images' &&
    !Object.keys(augmentationPresets.get(preset) ?? {}).includes(name)
  );
}

/** Values of the controls for a configuration, or for none: the defaults. */
export function formValues(config?: RunConfig): FormValues {
  return Object.fromEntries(
    formFields.map((one) => {
      const known = config && (one.family === undefined || one.family === config.model.family);
      return [one.id, controlValue(one, known ? valueAt(config, one.key) : undefined)];
    }),
  );
}

function valueAt(config: RunConfig, key: string): unknown {
  return key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
}

function controlValue({ kind, fallback, choices }: FormField, value: unknown): FieldValue {
  if (kind === 'devices') return Array.isArray(value) ? value.map(deviceRow) : [];
  if (kind === 'flag') return value === undefined ? fallback === 'true' : Boolean(value);
  if (value !== undefined) return asText(value);
  return kind === 'choice' ? fallback || (choices[0] ?? '') : fallback;
}

function deviceRow(device: string | DeviceEntry): DeviceRow {
  const { id, threads = '', memory = '' } = typeof device === 'string' ? { id: device } : device;
  return { id, threads: String(threads), memory: String(memory) };
}

/** The configuration as the controls have it, still to be checked by parseRunConfig. */
export function rawConfig(values: FormValues): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const one of formFields.filter((candidate) => isPart(candidate, values))) {
    const value = configValue(one, values[one.id]!);
    if (value === undefined) continue;
    const path = one.key.split('.');
    const name = path.pop()!;
    const target = path.reduce((at, part) => (at[part] ??= {}) as Record<string, unknown>, config);
    target[name] = value;
  }
  return config;
}

function configValue({ kind }: FormField, value: FieldValue): unknown {
  if (Array.isArray(value)) return value.length === 0 ? 'auto' : value.map(deviceConfig);
  if (typeof value === 'boolean') return value;
  const text = value.trim();
  if (text === '') return undefined;
  if (kind === 'number') return numberOrText(text);
  if (kind === 'numbers') return numbersOrName(text);
  return text;
}

function deviceConfig(row: DeviceRow): unknown {
  const [id, threads, memory] = [row.id.trim(), row.threads.trim(), row.memory.trim()];
  if (threads === '' && memory === '') return id;
  return { id, ...(threads && { threads: numberOrText(threads) }), ...(memory && { memory: numberOrText(memory) }) };
}

/** A list of numbers, or one name that stands for such a list. */
function numbersOrName(text: string): unknown {
  const parts = text.split(/[\s,]+/).map(numberOrText);
  return parts.length === 1 && typeof parts[0] === 'string' ? parts[0] : parts;
}

/** Text that is no number stays text, so that the check can name it. */
function numberOrText(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** The field that an error's key belongs to; undefined where there is none. */
export function fieldOfKey(key: string | undefined): FormField | undefined {
  return key === undefined
    ? undefined
    : formFields.find((one) => key === one.key || key.startsWith(`${one.key}.`) || key.startsWith(`${one.key}[`));
}

/** Keys and values to read: those that have a value, and of augmentation those that differ from their default, which changes nothing. */
export function configFacts(config: RunConfig): { key: string; description: string; text: string }[] {
  const values = formValues(config);
  return formFields
    .filter((field) => isRelevant(field, values))
    .map(({ id, key, description, fallback }) => ({ key, description, fallback, text: factText(values[id]!) }))
    .filter(({ key, fallback, text }) => text !== '' && !(key.startsWith(`${augmentationKey}.`) && text === fallback))
    .map(({ key, description, text }) => ({ key, description, text }));
}

function factText(value: FieldValue): string {
  if (!Array.isArray(value)) return String(value);
  return value.length === 0
    ? 'auto'
    : value.map(({ id, threads }) => (threads ? `${id} (${threads} threads)` : id)).join(', ');
}
