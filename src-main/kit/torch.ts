// PyTorch's side of a comparison: a Python process that does training steps when told (bench/step_torch.py).

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { UserError } from '../contract/errors.ts';
import type { ModelSpec } from '../families/configs.ts';
import type { Regime } from './engine.ts';

export interface TorchOptions {
  python: string;
  script: string;
  /** Of the engine that it is compared with: weights and samples. */
  folder: string;
  spec: ModelSpec;
  batch: number;
  regime: Regime;
  device: 'cuda' | 'cpu';
  index: number;
  threads: number;
  optimizer: 'sgd' | 'adamw' | 'none';
  learningRate: number;
  attention: 'sdpa' | 'eager';
}

/** For its first line: importing torch, building the model, opening the card. */
const patienceMs = 40_000;

export interface TorchSteps {
  ms: number[];
  loss: number[];
  /** Largest memory that PyTorch's allocator has held on the device, bytes; 0 on the CPU. */
  peakBytes: number;
}

export class Torch {
  private constructor(
    private readonly ask: (line: string) => Promise<string>,
    readonly close: () => void,
    /** PyTorch's version, and that of CUDA it was built for. */
    readonly version: string,
  ) {}

  static async open(options: TorchOptions): Promise<Torch> {
    const { python, script, folder, ...rest } = options;
    await writeFile(join(folder, 'torch.json'), JSON.stringify(rest));
    const child = spawn(python, [script, folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    let words = '';
    child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-4000)));
    child.stdin.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const read = async (): Promise<string> => {
      const line: IteratorResult<string, undefined> = await lines.next();
      if (!line.done) return line.value;
      await ended;
      const last = words.trim().split('\n').at(-1);
      throw new UserError('device', `PyTorch's process ended without an answer${last ? `: ${last}` : ''}`);
    };
    const ask = (line: string) => {
      child.stdin.write(`${line}\n`);
      return read();
    };
    const close = () => void child.kill('SIGKILL');
    let late = false;
    const timer = setTimeout(() => ((late = true), close()), patienceMs);
    try {
      return new Torch(ask, close, await read());
    } catch (error) {
      close();
      throw late ? new UserError('device', `PyTorch was not ready after ${patienceMs / 1000} s`) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async steps(count: number): Promise<TorchSteps> {
    return JSON.parse(await this.ask(String(count))) as TorchSteps;
  }
}
