// What the app knows of a model family without building its graphs: configuration, sizes by name, fit to a dataset, reference cases.
//
// A family is a folder beside this file: config.ts holds this record, tensors.ts and forward.ts the network, model.ts its graphs. Its names are
// the folder's entry in configs.ts and in models.ts.

import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import type { ExportFormat } from '../contract/exportFormat.ts';

export const positiveInt = z.int().min(1);
export const count = positiveInt.max(1e6);
export const perStage = (most: number, values: number[]) =>
  z.array(positiveInt.max(most)).min(1).max(8).default(values);

/** Height and width. */
export const extents = z.tuple([z.number(), z.number()]);
/** One number for height and width, or both: as reference cases have it. */
export const caseExtents = z
  .union([positiveInt, z.tuple([positiveInt, positiveInt])])
  .transform((extent): [number, number] => (typeof extent === 'number' ? [extent, extent] : extent));

/** What a spec has of the images. */
export const imageSpec = { channels: z.number(), image: extents, classes: z.number() };
export const caseImages = { channels: positiveInt, image: caseExtents, classes: positiveInt };

/** Images as the network will get them. */
export interface ImageData {
  channels: number;
  image: [number, number];
  classes: number;
}

/** Tokens of a dataset; `largest` is where the largest of them was found. */
export interface TokenData {
  vocabulary: number;
  largest: { token: number; file: string; position: number };
}

export interface ConfigProblem {
  key: string;
  problem: string;
}

/** A network by name, as the first page offers it: the keys of the model section that make it. */
export interface Preset {
  title: string;
  model: Record<string, string | number[]>;
}

interface Common<Config, Spec> {
  /** Section `model` of a run configuration; its `family` is the family's name. */
  config: z.ZodObject;
  /** The model with everything inferred from the data. */
  spec: z.ZodObject;
  /** `model` of a reference case's case.json, as a spec. */
  caseModel: z.ZodType<Spec>;
  /** What a model is exported as. */
  formats: readonly ExportFormat[];
  presets: readonly Preset[];
  /** Keys that the preset of the configuration gives, and their values for each of its names; absent where there is none. */
  sizes?: Readonly<Record<string, object>>;
  /** Replaces names by sizes, where that is more than `sizes`. */
  expand?(model: Record<string, unknown>): Record<string, unknown>;
  /** What is wrong with a combination of keys; null where nothing is. */
  problem?(config: Config): ConfigProblem | null;
  /** For people, in a few words. */
  describe(config: Config): string;
}

interface OfImages<Config, Spec> extends Common<Config, Spec> {
  reads: 'images';
  /** Fails with one sentence where the sizes do not go with the images. */
  fit(config: Config, images: ImageData): Spec;
}

interface OfTokens<Config, Spec> extends Common<Config, Spec> {
  reads: 'tokens';
  fit(config: Config, tokens: TokenData): Spec & { seq: number };
}

export type Family<Config, Spec> = OfImages<Config, Spec> | OfTokens<Config, Spec>;

export const refused = (key: string, problem: string): UserError =>
  new UserError('configuration', `model.${key} ${problem}`, { key: `model.${key}` });
