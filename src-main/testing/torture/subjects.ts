// The configurations that are disturbed, and what each gives when nobody disturbs it: the same bytes are expected of every run of it.

import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportFormat } from '../../contract/exportFormat.ts';
import type { RunConfig } from '../../contract/runConfig.ts';
import { samplePath } from '../../data/samples.ts';
import { isStep, linesOf, type StepLine } from '../../records/metricLines.ts';
import { cpuDevices, familyConfig, importText, newHome } from '../lab.ts';
import { Command, endProcessesOf, must } from './command.ts';

const often = { evaluation: { every: 40 }, checkpoint: { every: 25, keep: 3 } };
const steps = 160;
const adamw = { steps, optimizer: 'adamw', learningRate: 0.002 };

/** Name, as an event tells it -> configuration. Every family, way of masking and optimizer, on 1 to 3 CPU devices. */
const configs: Record<string, RunConfig> = {
  'resnet data-parallel sgd on 2': familyConfig('resnet', {
    ...often,
    subnetworks: { workers: 2, coverage: 2 },
    training: { steps },
    devices: cpuDevices(2),
  }),
  'resnet block sgd on 1': familyConfig('resnet', {
    ...often,
    training: { steps, schedule: 'onecycle', clipGlobalNorm: 1 },
    devices: cpuDevices(1),
  }),
  'llama neuron adamw on 3': familyConfig('llama', {
    ...often,
    subnetworks: { granularity: 'neuron' },
    training: { ...adamw, accumulation: 2 },
    devices: cpuDevices(3),
  }),
  'swin neuron-backward adamw on 2': familyConfig('swin', {
    ...often,
    subnetworks: { granularity: 'neuron', masking: 'backward' },
    training: { ...adamw, schedule: 'cosine' },
    devices: cpuDevices(2),
  }),
};

export interface Reference {
  subject: string;
  config: RunConfig;
  /** The folder of the finished run. */
  folder: string;
  outcome: Outcome;
  /** What `sdp evaluate` tells of it. */
  evaluation: { loss: number; accuracy: number };
}

/** What two runs of a configuration have in common. */
export interface Outcome {
  /** Digests of the last checkpoint's files. */
  checkpoint: Record<string, string>;
  /** Losses of the workers, by step. */
  losses: string[];
}

/** Images that take some moments to import. */
export const importedFiles = samplePath('mnist');

export const fingerprintIn = ({ lines }: Command): string => (lines[0] as { fingerprint: string }).fingerprint;

/** The datasets, and the undisturbed runs, made when they are first asked for. */
export class Ground {
  readonly #references = new Map<string, Reference>();
  readonly #exports = new Map<string, Record<string, string>>();

  #fingerprint: string | undefined;

  private constructor(readonly home: string) {}

  static async open(): Promise<Ground> {
    const home = await newHome();
    await importText(home);
    return new Ground(home);
  }

  /** Ends what is at work in it. */
  stop(): Promise<void> {
    return endProcessesOf(this.home);
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.home, { recursive: true });
  }

  get subjects(): string[] {
    return Object.keys(configs);
  }

  async reference(subject: string): Promise<Reference> {
    const known = this.#references.get(subject);
    if (known) return known;
    const config = configs[subject]!;
    const file = join(this.home, 'config.yaml');
    await writeFile(file, JSON.stringify(config));
    const trained = await this.run('train', file, '--json');
    const id = trained.summary!.id;
    const folder = join(this.home, 'runs', id);
    const evaluated = await this.run('evaluate', id, '--json');
    const reference: Reference = {
      subject,
      config,
      folder,
      outcome: await outcomeOf(folder),
      evaluation: evaluated.lines[0] as unknown as Reference['evaluation'],
    };
    this.#references.set(subject, reference);
    return reference;
  }

  /** Digests of the files of an export of a finished run. */
  async exported(reference: Reference, format: ExportFormat): Promise<Record<string, string>> {
    const out = join(this.home, `${reference.subject} ${format}`);
    const known = this.#exports.get(out);
    if (known) return known;
    await this.run('export', reference.folder.split('/').at(-1)!, '--format', format, '--out', out);
    const digests = await digestsOf(out);
    this.#exports.set(out, digests);
    return digests;
  }

  /** Fingerprint of `importedFiles` when they are imported. */
  async importedFingerprint(): Promise<string> {
    return (this.#fingerprint ??= fingerprintIn(
      await this.run('import', importedFiles, '--name', 'imported', '--json'),
    ));
  }

  async copyDatasets(home: string): Promise<void> {
    await mkdir(home, { recursive: true });
    for (const name of ['digits', 'text'])
      await cp(join(this.home, 'datasets', name), join(home, 'datasets', name), { recursive: true });
  }

  private async run(...args: string[]): Promise<Command> {
    const command = new Command(args, { SDP_HOME: this.home });
    const code = await command.ended();
    must(code === 0, `undisturbed, "sdp ${args.join(' ')}" ended with ${code}: ${command.stderr}`);
    return command;
  }
}

/** Of the newest checkpoint of a run, by its bytes. */
export async function outcomeOf(folder: string): Promise<Outcome> {
  const newest = (await readdir(join(folder, 'checkpoints'))).sort().at(-1)!;
  const checkpoint = await digestsOf(join(folder, 'checkpoints', newest));
  const losses: string[] = [];
  for await (const line of linesOf(join(folder, 'metrics.jsonl'))) {
    if (!isStep(line)) continue;
    losses.push(lossesIn(line));
  }
  return { checkpoint, losses };
}

/** Of a damaged line, the line. */
function lossesIn(line: string): string {
  try {
    const { step, loss } = JSON.parse(line) as StepLine;
    return `${step}: ${(loss as number[]).join(' ')}`;
  } catch {
    return line;
  }
}

/** Digests of the files in a folder, by their names. */
export async function digestsOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const digest = async (name: string) => [name, digestOf(await readFile(join(folder, name)))] as const;
  return Object.fromEntries(await Promise.all(names.map(digest)));
}

export const digestOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
