// Trains small language models on text, with a byte-level BPE and with bytes, exports them as GGUF, and compares the text that llama.cpp
// continues greedily with the engine's.
//
// FOLDER has node-llama-cpp, which brings a built llama.cpp: npm install --prefix FOLDER node-llama-cpp@3.22.1.

import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { weightTypes } from '../src-main/contract/exportFormat.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { openPage, type Page } from './answers.ts';

const documents = [
  'The cat sat on the mat – the naïve cat, fat as a bat.\n',
  "The rat's 1,234 hats\n\n  are 日本's. That was that!\n",
];
const prompts = ['The cat sat', 'The rat', 'the naïve', "The rat's 1,2", '\n\n  are 日'];
const count = 40;

export async function main(getLlama: GetLlama, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { cli: { type: 'string' } } });
  const { cli = join(import.meta.dirname, '../out/main/cli.js') } = values;
  const llama = await openLlama(getLlama);
  const home = await mkdtemp(join(tmpdir(), 'sdp-gguf-'));
  const env = { ...process.env, SDP_HOME: home };
  await writeFile(join(home, 'rhymes.txt'), documents.join('').repeat(300));
  for (const tokenizer of ['bpe', 'bytes'])
    await run(
      cli,
      ['import', join(home, 'rhymes.txt'), '--name', tokenizer, '--tokenizer', tokenizer, '--vocabulary', '300'],
      env,
    );
  const server = spawn(process.execPath, [cli, 'serve', '--port', '0', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const page = await openPage(server);
    for (const dataset of ['bpe', 'bytes']) await compare(page, llama, dataset);
    page.close();
  } finally {
    server.kill('SIGINT');
    if (server.exitCode === null) await once(server, 'exit');
    await rm(home, { recursive: true, force: true });
  }
}

async function run(cli: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const [code] = (await once(spawn(process.execPath, [cli, ...args], { env, stdio: 'inherit' }), 'exit')) as [number];
  if (code !== 0) throw new Error(`sdp ${args.join(' ')} ended with ${code}`);
}

/** One line of result for each type; fails where a float32 text is another one. */
async function compare(page: Page, llama: Llama, dataset: string): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    page.on('runChanged', ({ summary: { state, reason } }) => {
      if (state === 'done') resolve();
      if (state === 'failed') reject(new Error(reason));
    });
  });
  const { runId } = await page.call.startRun({ config: configOf(dataset) });
  await ended;
  const { step } = await page.call.openPlayground({ runId });
  const own = [];
  for (const prompt of prompts) {
    const { text } = await page.call.tryText({ runId, step, prompt, count, temperature: 0, seed: 0 });
    own.push(text);
  }
  for (const type of weightTypes.gguf) {
    const { files, check } = await page.call.exportRun({ runId, format: 'gguf', type });
    const found = await llama(files[0]!);
    const equal = own.filter((text, at) => text === found[at]).length;
    console.log(
      JSON.stringify({ dataset, type, equal, of: prompts.length, logits: check.maxRelativeError, text: found[0] }),
    );
    if (type === 'float32' && equal < prompts.length)
      throw new Error(`llama.cpp continues otherwise: ${JSON.stringify({ own, found })}`);
  }
}

const configOf = (dataset: string) =>
  parseRunConfig({
    name: dataset,
    model: { family: 'llama', hidden: 64, ff: 96, layers: 2, heads: 4, kvHeads: 2, seq: 64, vocab: 320 },
    data: { dataset },
    devices: ['cpu:0'],
    subnetworks: { workers: 2, coverage: 1, masking: 'backward' },
    training: { steps: 150, batch: 16, optimizer: 'adamw', learningRate: 0.01 },
    evaluation: { samples: 10 },
  });

/** What a model file makes of each prompt, greedily, up to the end of the text. */
type Llama = (path: string) => Promise<string[]>;

type GetLlama = (options: object) => Promise<{ loadModel(options: object): Promise<Model> }>;

interface Model {
  tokenize(text: string): number[];
  detokenize(tokens: number[]): string;
  isEogToken(token: number): boolean;
  createContext(options: object): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
  dispose(): Promise<void>;
}
interface Sequence {
  evaluate(tokens: number[], options: object): AsyncGenerator<number>;
  clearHistory(): Promise<void>;
}

async function openLlama(getLlama: GetLlama): Promise<Llama> {
  const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false });
  return async (modelPath) => {
    const model = await llama.loadModel({ modelPath });
    // Several threads wait for each other by turning round and round, for minutes on a busy machine.
    const context = await model.createContext({ contextSize: 256, threads: 1, flashAttention: false });
    const sequence = context.getSequence();
    const texts = [];
    for (const prompt of prompts) {
      await sequence.clearHistory();
      const tokens: number[] = [];
      for await (const token of sequence.evaluate(model.tokenize(prompt), { temperature: 0 })) {
        if (model.isEogToken(token) || tokens.push(token) === count) break;
      }
      texts.push(model.detokenize(tokens));
    }
    await context.dispose();
    await model.dispose();
    return texts;
  };
}
