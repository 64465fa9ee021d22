// Scalars as TensorBoard event files: TFRecords of tensorflow.Event messages, appended to and never rewritten.
//
// Every opening starts a file of its own, `events.out.tfevents.<unix seconds>.<host>`; TensorBoard reads the files of a folder in order
// of name as one series. A file that goes on from a step says so, and TensorBoard drops what earlier files have from that step on.

import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { PatientAppend } from '../files/patientAppend.ts';
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

/** A writer of scalars; `add` buffers, `flush` writes, or keeps what the disk refuses for the next time. Non-finite values are written as they are. */
export class ScalarLog {
  private readonly event = protobuf.Root.fromJSON({ nested: schema }).lookupType('Event');
  private closed = false;

  private constructor(private readonly file: PatientAppend) {}

  /** Starts a file in `folder`, which exists. `from`: the step that a resumed run goes on with. */
  static async open(folder: string, from = 0): Promise<ScalarLog> {
    const path = join(folder, `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}`);
    const log = new ScalarLog(await PatientAppend.open(path));
    log.append({ file_version: 'brain.Event:2' });
    if (from > 0) log.append({ step: from, session_log: { status: sessionStart } });
    await log.flush();
    return log;
  }

  add(tag: string, step: number, value: number): void {
    this.append({ step, summary: { value: [{ tag, simple_value: value }] } });
  }

  flush(): Promise<void> {
    return this.file.flush();
  }

  /** Flushes and closes; may be called again. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.file.close();
  }

  private append(content: object): void {
    const message = this.event.fromObject({ wall_time: Date.now() / 1000, ...content });
    this.file.add(tfRecord(this.event.encode(message).finish()), 1);
  }
}
