// A file that grows by whole records and outlives a full disk: what cannot be written is kept and tried again with the next records, and
// in the end dropped and counted. Nothing here fails once the file is open.

import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { storageError } from './files.ts';

/** Bytes that wait at most; beyond that the oldest records go. */
const mostWaiting = 8 * 2 ** 20;
/** Milliseconds before each of the last tries. */
const lastTries = [500, 1500];

interface Part {
  bytes: Uint8Array;
  records: number;
}

export class PatientAppend {
  /** Records that were dropped. */
  missing = 0;
  /** Why the last try failed; empty where it did not. */
  problem = '';
  private waiting: Part[] = [];
  private queue: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    /** End of what is written whole. */
    private position: number,
    private readonly most: number,
  ) {}

  /** Appends to what is there; fails with `storage` where it cannot be opened. */
  static async open(path: string, most = mostWaiting): Promise<PatientAppend> {
    try {
      const file = await open(path, constants.O_RDWR | constants.O_CREAT);
      return new PatientAppend(path, file, (await file.stat()).size, most);
    } catch (error) {
      throw storageError(error, path);
    }
  }

  add(bytes: Uint8Array, records: number): void {
    this.waiting.push({ bytes, records });
  }

  /** Tries to write what waits. */
  flush(): Promise<void> {
    this.queue = this.queue.then(() => this.write());
    return this.queue;
  }

  /** Tries to write what waits for some seconds, drops the rest, and closes. */
  async close(): Promise<void> {
    await this.flush();
    for (const pause of lastTries) {
      if (this.waiting.length === 0) break;
      await delay(pause);
      await this.flush();
    }
    this.drop(0);
    await this.file.close().catch(() => undefined);
  }

  private async write(): Promise<void> {
    if (this.waiting.length === 0) return;
    const parts = this.waiting.length;
    const bytes = Buffer.concat(this.waiting.map((part) => part.bytes));
    try {
      for (let done = 0; done < bytes.length;)
        done += (await this.file.write(bytes, done, bytes.length - done, this.position + done)).bytesWritten;
      this.position += bytes.length;
      this.waiting.splice(0, parts);
      this.problem = '';
    } catch (error) {
      this.problem = (storageError(error, this.path) as Error).message;
      await this.file.truncate(this.position).catch(() => undefined);
      this.drop(this.most);
    }
  }

  /** Keeps the newest records of at most so many bytes. */
  private drop(most: number): void {
    let bytes = this.waiting.reduce((sum, part) => sum + part.bytes.length, 0);
    while (bytes > most) {
      const part = this.waiting.shift()!;
      bytes -= part.bytes.length;
      this.missing += part.records;
    }
  }
}
