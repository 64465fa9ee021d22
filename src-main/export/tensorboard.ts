// Scalars, texts, pictures and hyper-parameters as TensorBoard event files: TFRecords of tensorflow.Event messages, appended to and never
// rewritten.
//
// Every opening starts a file of its own, `events.out.tfevents.<unix seconds>.<host>`; TensorBoard reads the files of a folder in order
// of name as one series. A file that goes on from a step says so, and TensorBoard drops what earlier files have from that step on.

import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { PatientAppend } from '../files/patientAppend.ts';
import { encodePng, type GreyImage } from './png.ts';
import { tfRecord } from './tfrecord.ts';

/** The fields of event.proto, summary.proto, tensor.proto, and the hparams plugin's api.proto that are written here, with their numbers. */
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
  SummaryValue: {
    fields: {
      tag: { type: 'string', id: 1 },
      simple_value: { type: 'float', id: 2 },
      image: { type: 'Image', id: 4 },
      tensor: { type: 'Tensor', id: 8 },
      metadata: { type: 'Metadata', id: 9 },
    },
  },
  Image: {
    fields: {
      height: { type: 'int32', id: 1 },
      width: { type: 'int32', id: 2 },
      colorspace: { type: 'int32', id: 3 },
      encoded_image_string: { type: 'bytes', id: 4 },
    },
  },
  Tensor: {
    fields: {
      dtype: { type: 'int32', id: 1 },
      tensor_shape: { type: 'Shape', id: 2 },
      string_val: { rule: 'repeated', type: 'bytes', id: 8 },
    },
  },
  Shape: { fields: { dim: { rule: 'repeated', type: 'Dim', id: 2 } } },
  Dim: { fields: { size: { type: 'int64', id: 1 } } },
  Metadata: { fields: { plugin_data: { type: 'Plugin', id: 1 } } },
  Plugin: { fields: { plugin_name: { type: 'string', id: 1 }, content: { type: 'bytes', id: 2 } } },
  HParams: {
    fields: {
      experiment: { type: 'Experiment', id: 2 },
      session_start_info: { type: 'SessionStart', id: 3 },
      session_end_info: { type: 'SessionEnd', id: 4 },
    },
  },
  Experiment: {
    fields: {
      hparam_infos: { rule: 'repeated', type: 'HParamInfo', id: 4 },
      metric_infos: { rule: 'repeated', type: 'MetricInfo', id: 5 },
    },
  },
  HParamInfo: { fields: { name: { type: 'string', id: 1 }, type: { type: 'int32', id: 4 } } },
  MetricInfo: { fields: { name: { type: 'MetricName', id: 1 } } },
  MetricName: { fields: { tag: { type: 'string', id: 2 } } },
  SessionStart: {
    fields: {
      hparams: { keyType: 'string', type: 'HParam', id: 1 },
      start_time_secs: { type: 'double', id: 5 },
    },
  },
  SessionEnd: { fields: { status: { type: 'int32', id: 1 }, end_time_secs: { type: 'double', id: 2 } } },
  HParam: {
    fields: {
      number_value: { type: 'double', id: 2 },
      string_value: { type: 'string', id: 3 },
      bool_value: { type: 'bool', id: 4 },
    },
  },
  SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
};
const sessionStart = 1;
const stringTensor = 7;
const succeeded = 1;
const hparamTypes = { string: 1, boolean: 2, number: 3 } as const;

/** A hyper-parameter: one value. */
export type HParam = string | number | boolean;

const hparamOf = (value: HParam): object => {
  if (typeof value === 'number') return { number_value: value };
  return typeof value === 'boolean' ? { bool_value: value } : { string_value: value };
};
const typeOf = (value: HParam): number => hparamTypes[typeof value as keyof typeof hparamTypes];
const seconds = (): number => Date.now() / 1000;

/** A writer of scalars, and of what else describes a run; `add` buffers, `flush` writes, or keeps what the disk refuses for the next time. Non-finite values are written as they are. */
export class EventLog {
  private readonly types = protobuf.Root.fromJSON({ nested: schema });
  private readonly event = this.types.lookupType('Event');
  private closed = false;

  private constructor(private readonly file: PatientAppend) {}

  /** Starts a file in `folder`, which exists. `from`: the step that a resumed run goes on with. */
  static async open(folder: string, from = 0): Promise<EventLog> {
    const path = join(folder, `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}`);
    const log = new EventLog(await PatientAppend.open(path));
    log.append({ file_version: 'brain.Event:2' });
    if (from > 0) log.append({ step: from, session_log: { status: sessionStart } });
    await log.flush();
    return log;
  }

  add(tag: string, step: number, value: number): void {
    this.append({ step, summary: { value: [{ tag, simple_value: value }] } });
  }

  /** `markdown` is shown as such. */
  addText(tag: string, step: number, markdown: string): void {
    const tensor = { dtype: stringTensor, tensor_shape: { dim: [{ size: 1 }] }, string_val: [Buffer.from(markdown)] };
    const metadata = { plugin_data: { plugin_name: 'text' } };
    this.append({ step, summary: { value: [{ tag, tensor, metadata }] } });
  }

  addImage(tag: string, step: number, image: GreyImage): void {
    const { width, height } = image;
    const content = { width, height, colorspace: 1, encoded_image_string: encodePng(image) };
    this.append({ step, summary: { value: [{ tag, image: content }] } });
  }

  /** What TensorBoard's table of runs has: these values, and the last of each of the scalars `metrics`. */
  startSession(hparams: ReadonlyMap<string, HParam>, metrics: readonly string[]): void {
    const entries = [...hparams];
    this.addHParams('experiment', {
      experiment: {
        hparam_infos: entries.map(([name, value]) => ({ name, type: typeOf(value) })),
        metric_infos: metrics.map((tag) => ({ name: { tag } })),
      },
    });
    const values = Object.fromEntries(entries.map(([name, value]) => [name, hparamOf(value)]));
    this.addHParams('session_start_info', { session_start_info: { hparams: values, start_time_secs: seconds() } });
  }

  /** Of a run that is done; TensorBoard takes the first end of a folder for good. */
  endSession(): void {
    this.addHParams('session_end_info', { session_end_info: { status: succeeded, end_time_secs: seconds() } });
  }

  private addHParams(tag: string, data: object): void {
    const type = this.types.lookupType('HParams');
    const plugin_data = { plugin_name: 'hparams', content: type.encode(type.fromObject(data)).finish() };
    this.append({ summary: { value: [{ tag: `_hparams_/${tag}`, metadata: { plugin_data } }] } });
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
    const message = this.event.fromObject({ wall_time: seconds(), ...content });
    this.file.add(tfRecord(this.event.encode(message).finish()), 1);
  }
}
