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

/** With the graphs that its sessions use, and no others. */
export function withUsedGraphs({ graphs, training, evaluation, statistics }: DeviceSessions): DeviceSessions {
  const all = [...training, evaluation, ...(statistics ? [statistics] : [])];
  const used = [...new Set(all.map(({ graph }) => graph))].sort((a, b) => a - b);
  const renumbered = (bound: BoundGraph): BoundGraph => ({ ...bound, graph: used.indexOf(bound.graph) });
  return {
    graphs: used.map((graph) => graphs[graph]!),
    training: training.map(renumbered),
    evaluation: renumbered(evaluation),
    statistics: statistics && renumbered(statistics),
  };
}

/** What a device is told that is to run no worker yet. */
export const withoutTraining = (packed: string): string =>
  packSessions(withUsedGraphs({ ...unpackSessions(packed), training: [] }));

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
