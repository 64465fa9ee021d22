// What a device process runs, as the planner hands it over: graphs as ONNX files, each once, and what every session binds.

import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { SessionSpec } from '../native.ts';

export interface BoundGraph extends SessionSpec {
  /** Index into `graphs`. */
  graph: number;
}

export interface DeviceSessions {
  /** Compressed: names and shapes of nodes repeat. */
  graphs: Uint8Array[];
  /** Of the logical workers of the device, ascending. */
  training: BoundGraph[];
  /** Over the full network. */
  evaluation: BoundGraph;
  statistics: BoundGraph | null;
}

/** As text, which lists of rows that several inputs share are once in. */
export const packSessions = (sessions: DeviceSessions): string => serialize(sessions).toString('base64');

export const unpackSessions = (text: string): DeviceSessions =>
  deserialize(Buffer.from(text, 'base64')) as DeviceSessions;

/** What a device is told that is to run no worker yet. */
export function withoutTraining(packed: string): string {
  const { graphs, evaluation, statistics } = unpackSessions(packed);
  const full = [evaluation, ...(statistics ? [statistics] : [])];
  const used = [...new Set(full.map(({ graph }) => graph))];
  const renumbered = <T extends BoundGraph>(bound: T): T => ({ ...bound, graph: used.indexOf(bound.graph) });
  return packSessions({
    graphs: used.map((graph) => graphs[graph]!),
    training: [],
    evaluation: renumbered(evaluation),
    statistics: statistics && renumbered(statistics),
  });
}

/** Training sessions of workers that move to another device of the same kind. */
export type MovedSessions = Pick<DeviceSessions, 'graphs' | 'training'>;

/** Those of `workers`, of what a device was told. */
export function moveSessions(packed: string, workers: readonly number[]): string {
  const { graphs, training } = unpackSessions(packed);
  const moved = training.filter(({ worker }) => workers.includes(worker!));
  const used = [...new Set(moved.map(({ graph }) => graph))];
  const sessions: MovedSessions = {
    graphs: used.map((graph) => graphs[graph]!),
    training: moved.map((bound) => ({ ...bound, graph: used.indexOf(bound.graph) })),
  };
  return serialize(sessions).toString('base64');
}

export const unpackMoved = (text: string): MovedSessions => deserialize(Buffer.from(text, 'base64')) as MovedSessions;

export const packGraph = (onnx: Uint8Array): Uint8Array => deflateRawSync(onnx, { level: 1 });

/** Of the addon's addSession. */
export const sessionArguments = (
  { graphs }: Pick<DeviceSessions, 'graphs'>,
  { graph, ...bound }: BoundGraph,
): [onnx: Uint8Array, spec: SessionSpec] => [inflateRawSync(graphs[graph]!), bound];

/** The custom operators of CUDA have run on no card yet, so they have to be asked for. */
export const customOps = () => process.env.SDP_CUDA_CUSTOM_OPS === '1';
