// Scalars as TensorBoard event files: TFRecords of tensorflow.Event messages, appended to and never rewritten.
//
// Every opening starts a file of its own, `events.out.tfevents.<unix seconds>.<host>`; TensorBoard reads the files of a folder in order
// of name as one series. A file that goes on from a step says so, and TensorBoard drops what earlier files have from that step on.

import { open, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { storageError } from '../data/files.ts';
import { tfRecord } from './tfrecord.ts';

/** The fields of event.proto and summary.proto that are written here, with their numbers. */
const schema = {
  Event: {
    fields: {
      wall_time: { type: 'double', id: 1 },
      step: { type: 'int64', id: 2 },
      file_version: { type: 'string', id: 3 },
      summary: { type: 'Summary', id: 5 },
      session_log: { type: 'SessionLog', id: 7 },
    },
  },
  Summary: { fields: { value: { rule: 'repeated', type: 'SummaryValue', id: 1 } } },
  SummaryValue: { fields: { tag: { type: 'string', id: 1 }, simple_value: { type: 'float', id: 2 } } },
  SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
};
const sessionStart = 1;

/** A writer of scalars; `add` buffers, `flush` writes. Non-finite values are written as they are. */
export class ScalarLog {
  private readonly event = protobuf.Root.fromJSON({ nested: schema }).lookupType('Event');
  private pending: Uint8Array[] = [];
  private closed = false;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** Starts a file in `folder`, which exists. `from`: the step that a resumed run goes on with. */
  static async open(folder: string, from = 0): Promise<ScalarLog> {
    const path = join(folder, `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}`);
    const file = await open(path, 'a').catch((error: unknown) => {
      throw storageError(error, path);
    });
    const log = new ScalarLog(path, file);
    log.append({ file_version: 'brain.Event:2' });
    if (from > 0) log.append({ step: from, session_log: { status: sessionStart } });
    await log.flush();
    return log;
  }

  add(tag: string, step: number, value: number): void {
    this.append({ step, summary: { value: [{ tag, simple_value: value }] } });
  }

  /** Writes what was added; a full disk is a `storage` error. */
  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.pending.splice(0));
    try {
      await this.file.appendFile(bytes);
    } catch (error) {
      throw storageError(error, this.path);
    }
  }

  /** Flushes and closes; may be called again. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    try {
      await this.flush();
    } finally {
      await this.file.close();
    }
  }

  private append(content: object): void {
    const message = this.event.fromObject({ wall_time: Date.now() / 1000, ...content });
    this.pending.push(tfRecord(this.event.encode(message).finish()));
  }
}
