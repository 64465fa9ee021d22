// Keeps the last lines of a process's output, for the message when it dies, and hands each whole line on as it comes.

import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';

const kept = 20;

export class LastLines {
  readonly #lines: string[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void = () => undefined) {
    this.#log = log;
  }

  /** Resolves when the stream has ended. */
  async collect(stream: Readable): Promise<void> {
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    lines.on('line', (line) => this.add(line));
    await new Promise<void>((resolve) => lines.once('close', resolve));
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > kept) this.#lines.shift();
    this.#log(line);
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
