// What an export of a run says of itself, and which form of it users may have.

import { UserError } from '../contract/errors.ts';
import type { ExportNotes, ImageNotes, OnnxForm } from '../contract/exportMessages.ts';
import type { ExportChoices, ExportFormat } from '../contract/exportFormat.ts';
import type { Reading } from '../contract/records.ts';
import { appVersion } from '../contract/version.ts';
import type { Manifest } from '../data/manifest.ts';
import { openTokenizer } from '../data/tokenizer.ts';
import { createModel } from '../families/models.ts';
import type { PreparedRun } from '../plan/prepare.ts';

/** Fails with one sentence where format or family has no such form. */
export function onnxFormOf(format: ExportFormat, reads: 'images' | 'tokens', choices: ExportChoices): OnnxForm {
  const { withPast = false, withPreprocessing = false } = choices;
  const refused = (option: string, what: string) =>
    new UserError('usage', `${option} is for ${what} in the format onnx only; leave it out`, { key: option });
  if (withPast && (format !== 'onnx' || reads !== 'tokens')) throw refused('--with-past', 'language models');
  if (withPreprocessing && (format !== 'onnx' || reads !== 'images'))
    throw refused('--with-preprocessing', 'models of images');
  return { withPast, withPreprocessing };
}

/** See ImageNotes: of the run's own resizing, else of the import's. */
function shorterSide(
  { augmentation }: Extract<Reading, { kind: 'images' }>,
  [, height, width]: readonly number[],
  dataset: Manifest | undefined,
): ImageNotes['shorterSide'] {
  if (augmentation) return augmentation.changes.evaluationResize;
  const resize = dataset && (dataset.options.resize ?? 'crop');
  if (!resize || resize === 'pad') return undefined;
  return resize === 'crop' && height === width ? height : null;
}

/** `dataset`: undefined where another one has its name by now. */
export async function notesOf(
  home: string,
  { spec, dataset: name, setup }: PreparedRun,
  dataset: Manifest | undefined,
  run: { described: string; step: number; license: string | undefined },
): Promise<ExportNotes> {
  const { sample } = createModel(spec);
  const { reads } = setup.evaluation.source;
  const common = { ...run, version: appVersion, family: spec.family, dataset: name };
  if (reads.kind === 'images')
    return {
      ...common,
      images: {
        classNames: dataset?.kind === 'images' ? dataset.classNames : undefined,
        mean: reads.mean,
        std: reads.std,
        size: sample.slice(1),
        shorterSide: shorterSide(reads, sample, dataset),
      },
    };
  const tokenizer = dataset && (await openTokenizer(home, dataset));
  const kindOfTokenizer = dataset?.kind === 'tokens' && tokenizer ? dataset.tokenizer : undefined;
  return {
    ...common,
    tokens: { tokenizer: kindOfTokenizer, sequence: sample[0]!, end: tokenizer?.end() ?? undefined },
  };
}
