// Export of a checkpoint for the ecosystem, checked against the engine before it is called done.

import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { exportContract, type ExportCommands, type ExportNotes, type OnnxForm } from '../contract/exportMessages.ts';
import type { Params, Result } from '../contract/rpc.ts';
import { weightTypes, type ExportFormat, type GgufType, type WeightType } from '../contract/exportFormat.ts';
import type { ExportResult } from '../contract/run.ts';
import type { Manifest } from '../data/manifest.ts';
import { openTokenizer } from '../data/tokenizer.ts';
import { replaceFiles } from '../files/files.ts';
import { planGguf } from '../export/ggufExport.ts';
import { noteTexts } from '../export/notes.ts';
import { weightFiles, type WeightFile } from '../export/huggingFace.ts';
import { imageLibrary } from '../export/imageExport.ts';
import { familyOf, type ModelSpec } from '../families/configs.ts';
import { createModel } from '../families/models.ts';
import { logged } from '../log/log.ts';
import type { ModelDefinition } from '../models/model.ts';
import type { Int64Tensor } from '../native.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { RunHost } from '../fleet/openFleet.ts';
import { howItEnded, within } from '../processes/deviceProcess.ts';
import { isAlive } from '../processes/isAlive.ts';
import { readMemoryKills } from '../processes/memoryKills.ts';
import type { PreparedRun } from '../plan/prepare.ts';
import { connect } from '../transport/client.ts';

/** At most about so many logits are compared: of every so-many-th label. */
const comparedLogits = 2 ** 20;

export interface Target {
  format: ExportFormat;
  /** Of the weights. */
  type: WeightType;
  /** Of the run. */
  name: string;
  /** Whose tokenizer, or classes, go with the weights; undefined where another one has its name. */
  dataset?: Manifest | undefined;
  step: number;
  /** Folder. */
  out: string;
  notes: ExportNotes;
  /** Of ONNX. */
  form: OnnxForm;
}

/** Fails with one sentence where the model cannot be exported so; before anything is begun. */
export async function checkFormat(
  home: string,
  spec: ModelSpec,
  { format, type, name, dataset }: Pick<Target, 'format' | 'type' | 'name' | 'dataset'>,
): Promise<void> {
  const { formats } = familyOf(spec);
  if (!formats.includes(format))
    throw new UserError(
      'usage',
      `a model of the family ${spec.family} is exported as ${formats.join(', ')}, got ${format}`,
    );
  const types: readonly WeightType[] = weightTypes[format];
  if (!types.includes(type))
    throw new UserError('usage', `weights of the format ${format} are stored as ${types.join(', ')}, got ${type}`);
  const model = createModel(spec);
  if (format === 'timm' || format === 'huggingface') imageLibrary(model, format);
  if (format === 'gguf') planGguf(model, type as GgufType, dataset && (await openTokenizer(home, dataset)), name);
}

/**
 * Writes what the fleet's store holds, with the statistics and branch scaling of evaluation folded in; a process of its own makes the format
 * of it and compares the logits of the result with the engine's. All of it happens beside the files that are there already, which are replaced
 * when the new ones agree.
 */
export async function exportStore(
  { home, spawnDevice }: Pick<RunHost, 'home' | 'spawnDevice'>,
  fleet: Fleet,
  prepared: PreparedRun,
  { format, type, name, dataset, step, out, notes, form }: Target,
): Promise<ExportResult> {
  const { spec, setup } = prepared;
  const model = createModel(spec);
  const samples = Math.min(prepared.evaluationBatch, prepared.evaluationSamples);
  const { labels } = await fleet.evaluate(samples);
  const every = Math.ceil((labels * setup.classes) / comparedLogits);
  const weights = format === 'safetensors' && model.pretrained ? weightFiles(model.tensors) : [wholeModel(model)];
  const engineLogits = 'engine.logits';
  await removeLeftovers(out);
  return await replaceFiles(out, (folder) =>
    named(folder, out, async () => {
      await fleet.writeLogits(samples, every, join(folder, engineLogits));
      for (const [index, file] of weights.entries())
        await writeWeights(fleet, prepared, notes, join(folder, file.name), file, index === 0);
      const { files, maxRelativeError } = await finishApart(spawnDevice, {
        format,
        type,
        name,
        model: spec,
        folder,
        weights,
        engineLogits,
        every,
        samples,
        source: setup.evaluation.source,
        dataset: dataset ? { home, name: dataset.name } : null,
        notes,
        onnx: form,
      });
      const written = files.map((file) => join(out, basename(file)));
      return { format, type, step, files: written, check: { samples, maxRelativeError, accuracy: null } };
    }),
  );
}

/** Errors of work in a folder that users do not know name the one that they know. */
async function named<T>(folder: string, known: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, message, key } = error;
    throw new UserError(code, message.replaceAll(folder, known), { key: key?.replaceAll(folder, known), cause: error });
  }
}

/** In a process that ends with its answer. */
async function finishApart(
  spawnDevice: RunHost['spawnDevice'],
  job: Params<ExportCommands, 'finish'>,
): Promise<Result<ExportCommands, 'finish'>> {
  const memoryKills = readMemoryKills();
  const process = spawnDevice('export');
  try {
    const client = await connect(process.transport, exportContract);
    return await client.call.finish(job);
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'disconnected')) throw error;
    const exit = await within(process.exited, 1000);
    if (!exit) throw error;
    const fate = `the process that makes the export ended with ${howItEnded(exit, memoryKills)}`;
    throw new UserError('device', `${logged(fate, exit.lastOutput)}; export again`, { cause: error });
  } finally {
    process.kill();
    await within(process.exited, 3000);
  }
}

/** Removes what exports have left whose process was ended meanwhile. */
async function removeLeftovers(out: string): Promise<void> {
  for (const name of await readdir(out).catch(() => [])) {
    const pid = /^\.partial-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(out, name), { recursive: true, force: true });
  }
}

const wholeModel = (model: ModelDefinition): WeightFile => ({
  name: 'model.safetensors',
  tensors: model.tensors.map((spec) => spec.name),
});

async function writeWeights(
  fleet: Fleet,
  prepared: PreparedRun,
  notes: ExportNotes,
  path: string,
  file: WeightFile,
  first: boolean,
): Promise<void> {
  await fleet.store.writeValues(path, {
    scales: prepared.scales,
    statistics: prepared.setup.evaluation.statisticsBatches > 0,
    int64: first ? libraryIntegers(prepared, notes.step) : [],
    metadata: { format: 'pt', model: JSON.stringify(prepared.spec), ...noteTexts(notes) },
    tensors: file.tensors,
  });
}

/** Integers of the library's state dict: BatchNorm counters, which are the micro-batches of a worker so far, and constants. */
function libraryIntegers({ spec, setup }: PreparedRun, step: number): Int64Tensor[] {
  const model = createModel(spec);
  const means = model.tensors.filter((spec) => spec.name.endsWith('.running_mean'));
  return [
    ...means.map(({ name }) => ({
      name: name.replace('running_mean', 'num_batches_tracked'),
      shape: [],
      values: [step * setup.training.accumulation],
    })),
    ...model.constants.map(({ name, values }) => ({ name, shape: [values.length], values })),
  ];
}
