// Training graphs of workers, built once for all whose graphs are equal.
//
// Under forward masking a graph has as many neurons of a group as the worker holds, whichever they are: these decide the rows that its
// ports are bound to. Under backward masking the graph itself names the rows whose gradients it computes.

import {
  heldRows,
  type Held,
  type ModelDefinition,
  type ModelGraph,
  type TensorPort,
  type TrainingOptions,
} from './model.ts';

/** What `use` makes of each worker's training graph. Of equal graphs the property `graph` is one object, which is not kept. */
export function mapTrainingGraphs<T>(
  model: Pick<ModelDefinition, 'tensors' | 'training'>,
  workers: readonly TrainingOptions[],
  use: (built: ModelGraph, worker: number) => T,
): T[] {
  const alike = new Map<string, number[]>();
  workers.forEach((options, worker) => {
    const key = shapeOf(options);
    alike.set(key, [...(alike.get(key) ?? []), worker]);
  });
  const results = new Array<T>(workers.length);
  for (const of of alike.values()) {
    const built = model.training(workers[of[0]!]!);
    for (const worker of of) results[worker] = use(withRows(built, model.tensors, workers[worker]!), worker);
  }
  return results;
}

/** The same for workers whose graphs are equal. */
function shapeOf({ held: { blocks, neurons }, ...options }: TrainingOptions): string {
  const counts = () => Object.entries(neurons).map(([id, units]) => [id, units.length]);
  const isNarrow = options.granularity === 'neuron' && options.masking === 'forward';
  return JSON.stringify([options, blocks, isNarrow ? counts() : neurons]);
}

/** A graph as it is bound for a worker. */
function withRows(
  built: ModelGraph,
  tensors: ModelDefinition['tensors'],
  { granularity, held }: { granularity: TrainingOptions['granularity']; held: Held },
): ModelGraph {
  const specs = new Map(tensors.map((spec) => [spec.name, spec]));
  const bind = (port: TensorPort): TensorPort =>
    port.rows === null ? port : { ...port, rows: heldRows(specs.get(port.tensor)!, granularity, held) };
  return {
    ...built,
    inputs: built.inputs.map(bind),
    outputs: built.outputs.map(bind),
    ...(built.carried && { carried: built.carried.map(bind) }),
  };
}
