// Trying checkpoints: one process with one model at a time. Every question names its model, so that no checkpoint answers for another. The
// process ends when it has not been used for some minutes, and with the app.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { Handlers } from '../contract/rpc.ts';
import type { ClassShare, PlaygroundModel, playgroundCommands } from '../contract/playground.ts';
import { playgroundContract, type PlaygroundCommands } from '../contract/playgroundMessages.ts';
import { getDataset } from '../data/catalogue.ts';
import { continuation, type Tokenizer } from '../data/tokenizer.ts';
import { createModel } from '../families/models.ts';
import { logged } from '../log/log.ts';
import type { ModelDefinition } from '../models/model.ts';
import { connect, type Client } from '../transport/client.ts';
import { findCheckpoint, olderCheckpoint, wholeCheckpoint } from '../records/checkpoint.ts';
import { datasetWarning } from '../run/datasetChange.ts';
import { howItEnded, within, type DeviceProcess } from '../processes/deviceProcess.ts';
import { readMemoryKills, type MemoryKills } from '../processes/memoryKills.ts';
import { prepareFromHome, type RunHost } from '../fleet/openFleet.ts';
import type { RunFolder } from '../records/runFolder.ts';
import { runTokenizer } from '../run/runTokenizer.ts';

const idleMs = 5 * 60_000;
const mostClasses = 10;
/** Checkpoints whose model is described; the process has that of one of them in memory. */
const mostKnown = 4;

interface Loaded {
  /** Of its ONNX file. */
  path: string;
  model: PlaygroundModel;
  mean: number[];
  std: number[];
  tokenizer: Tokenizer | undefined;
}

/** The process and the connection to it. */
interface Side {
  process: DeviceProcess;
  client: Promise<PlaygroundClient>;
  /** As the system counted when it started. */
  memoryKills: MemoryKills;
}

type PlaygroundClient = Client<PlaygroundCommands, Record<never, never>>;

interface Sampling {
  count: number;
  temperature: number;
  seed: number;
}

export class Playground {
  private side: Side | undefined;
  /** By run and step, oldest first. */
  private readonly loaded = new Map<string, Promise<Loaded>>();
  private idle: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: RunHost,
    private readonly folder: (runId: string) => RunFolder,
    /** Writes the ONNX file of a checkpoint. */
    private readonly exportOnnx: (runId: string, step: number) => Promise<unknown>,
  ) {}

  handlers(): Handlers<typeof playgroundCommands> {
    return {
      openPlayground: async ({ runId, step }) => {
        const folder = this.folder(runId);
        const found = step === undefined ? await wholeCheckpoint(folder, undefined, false) : undefined;
        const { model } = await this.load(runId, found?.step ?? (await findCheckpoint(folder, step)));
        const warnings = [olderCheckpoint(found), await datasetWarning(this.host.home, folder)];
        const told = warnings.filter((sentence) => sentence !== undefined);
        return told.length === 0 ? model : { ...model, warning: told.join('; ') };
      },
      tryImage: async ({ runId, step, pixels }) => {
        const loaded = await this.load(runId, step);
        const startedAt = performance.now();
        const classes = await this.classify(loaded, Buffer.from(pixels, 'base64'));
        return { classes, ms: performance.now() - startedAt };
      },
      tryText: async ({ runId, step, prompt, ...sampling }, { signal }) => {
        const loaded = await this.load(runId, step);
        const { tokenizer } = loaded;
        if (!tokenizer) throw notOf('text');
        const tokens = tokenizer.encode(prompt);
        const end = tokenizer.end()?.token;
        const startedAt = performance.now();
        const made = await this.generate(loaded, tokens, sampling, signal, end);
        const ended = end !== undefined && made.at(-1) === end;
        const text = continuation(tokenizer, tokens, ended ? made.slice(0, -1) : made);
        return { text, ended, ms: performance.now() - startedAt };
      },
      tryTokens: async ({ runId, step, tokens, ...sampling }, { signal }) => {
        const loaded = await this.load(runId, step);
        const startedAt = performance.now();
        const made = await this.generate(loaded, tokens, sampling, signal);
        return { tokens: made, ms: performance.now() - startedAt };
      },
    };
  }

  /** Ends with the model of a run that goes away. */
  async leave(runId: string): Promise<void> {
    if ([...this.loaded.keys()].some((key) => key.startsWith(`${runId} `))) await this.close();
  }

  async close(): Promise<void> {
    clearTimeout(this.idle);
    const { side } = this;
    this.side = undefined;
    this.loaded.clear();
    side?.process.kill();
    if (side) await within(side.process.exited, 3000);
  }

  /** The model of a checkpoint; those who ask for the same meanwhile wait for the same. */
  private load(runId: string, step: number): Promise<Loaded> {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => void this.close(), idleMs).unref();
    const key = `${runId} ${step}`;
    const known = this.loaded.get(key);
    if (known) return known;
    const loading = this.loadAnew(runId, step);
    this.loaded.set(key, loading);
    loading.catch(() => this.loaded.get(key) === loading && this.loaded.delete(key));
    if (this.loaded.size > mostKnown) this.loaded.delete(this.loaded.keys().next().value!);
    return loading;
  }

  private async loadAnew(runId: string, step: number): Promise<Loaded> {
    const folder = this.folder(runId);
    const path = folder.file(join('exports', `step-${String(step).padStart(8, '0')}`, 'model.onnx'));
    if (!(await exists(path))) await this.exportOnnx(runId, step);
    const prepared = await prepareFromHome(this.host, await folder.readConfig());
    await this.ask((client) => client.call.load({ path }));
    const model = createModel(prepared.spec);
    const { name } = await getDataset(this.host.home, (await folder.readConfig()).data.dataset);
    const { reads } = prepared.setup.evaluation.source;
    const { mean, std } = reads.kind === 'images' ? reads : { mean: [], std: [] };
    const tokenizer = await runTokenizer(this.host.home, folder);
    return { path, model: await this.describe(model, name, step, tokenizer), mean, std, tokenizer };
  }

  private async describe(
    { reads, sample, classes }: ModelDefinition,
    name: string,
    step: number,
    tokenizer: Tokenizer | undefined,
  ): Promise<PlaygroundModel> {
    if (reads === 'tokens')
      return { kind: 'tokens', step, sequence: sample[0]!, vocabulary: classes, text: tokenizer !== undefined };
    const dataset = await getDataset(this.host.home, name);
    const classNames = dataset.kind === 'images' ? dataset.classNames : [];
    return { kind: 'images', step, sample, classNames };
  }

  private async classify({ path, model, mean, std }: Loaded, pixels: Uint8Array): Promise<ClassShare[]> {
    if (model.kind !== 'images') throw notOf('images');
    const { sample, classNames } = model;
    const count = sample.reduce((product, extent) => product * extent, 1);
    if (pixels.length !== count)
      throw new UserError('usage', `an image of ${count} bytes was expected, got ${pixels.length}`, { key: 'pixels' });
    const plane = sample[1]! * sample[2]!;
    const data = Array.from(pixels, (pixel, index) => {
      const channel = Math.floor(index / plane);
      return (pixel / 255 - mean[channel]!) / std[channel]!;
    });
    const { logits } = await this.ask((client) =>
      client.call.run({ path, data, shape: [1, ...sample], kind: 'images' }),
    );
    return likeliest(logits, classNames);
  }

  private async generate(
    { path, model }: Loaded,
    tokens: number[],
    sampling: Sampling,
    signal: AbortSignal,
    end?: number,
  ): Promise<number[]> {
    if (model.kind !== 'tokens') throw notOf('tokens');
    if (tokens.length === 0) throw new UserError('usage', 'the prompt is empty; write something', { key: 'prompt' });
    const wrong = tokens.find((token) => token >= model.vocabulary);
    if (wrong !== undefined)
      throw new UserError('usage', `token ${wrong} is not in the vocabulary of ${model.vocabulary}`, { key: 'tokens' });
    const request = { path, tokens, length: model.sequence, end, ...sampling };
    return (await this.ask((client) => client.call.generate(request, { signal }))).tokens;
  }

  /** Asks the process, which is started where there is none. One that is gone or silent is told of, and the next call starts another. */
  private async ask<T>(work: (client: PlaygroundClient) => Promise<T>): Promise<T> {
    const side = (this.side ??= this.start());
    try {
      return await work(await side.client);
    } catch (error) {
      if (!(error instanceof UserError && error.code === 'disconnected')) throw error;
      const exit = await within(side.process.exited, 1000);
      side.process.kill();
      if (!exit) throw error;
      const fate = `the process that runs the model ended with ${howItEnded(exit, side.memoryKills)}`;
      const sentence = `${logged(fate, exit.lastOutput)}; open the model again`;
      throw new UserError('device', sentence, { cause: error });
    }
  }

  private start(): Side {
    const process = this.host.spawnDevice('playground');
    const side = { process, client: connect(process.transport, playgroundContract), memoryKills: readMemoryKills() };
    void process.exited.then(() => {
      if (this.side !== side) return;
      this.side = undefined;
      this.loaded.clear();
    });
    return side;
  }
}

function likeliest(logits: readonly number[], classNames: readonly string[]): ClassShare[] {
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights
    .map((weight, label) => ({ label, name: classNames[label] ?? String(label), probability: weight / sum }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, mostClasses);
}

const notOf = (kind: string) => new UserError('usage', `the model of this run does not take ${kind}`);

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
