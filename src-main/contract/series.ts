// Every series of a run, in two tables: what is recorded of a step, and of an evaluation. Merger, log, reader, TensorBoard, messages, and the
// buffers and lists of the page loop over the tables. Their types follow from them.
//
// A new series is an entry here, and its value where it is measured: what a device measures of a step in native/core/src/records.rs, what the
// main process computes of a step in records/stepMerger.ts, an evaluation's in run/metrics.ts. The type checker asks for the last two.

/** '': a plain number. `share`: from 0 to 1. */
export type Unit = '' | 'ms' | 'share';

/** Lists of curves in the page: of one run, of several that are compared. A series with a chart of its own may be in neither. */
export type CurveList = 'run' | 'compare';

interface Series {
  unit: Unit;
  title: string;
  /** For the documentation. */
  meaning: string;
  /** Name in TensorBoard; null: it is not written there. */
  tag: string | null;
  lists: readonly CurveList[];
}

/** From the values of all workers to the one value of the step. */
export type Merge = (values: ArrayLike<number>) => number;

interface SeriesOfWorkers extends Series {
  /** The value of each worker is kept. Where one curve is drawn, they are merged. */
  per: 'worker';
  merge: Merge;
}

interface SeriesOfSteps extends Series {
  per: 'step';
  /** Null: no device measures it; the main process computes it. */
  merge: Merge | null;
}

interface SeriesOfEvaluations extends Series {
  /** What null says: the value is not finite, or there is none, as for another kind of model or in a log from before the series. */
  nulls: 'notFinite' | 'absent';
}

/** Not finite where one value is not: nothing is averaged away. */
export const mean: Merge = (values) => sum(values) / values.length;

/** Exact for whole numbers below 2^53. */
const sum: Merge = (values) => {
  let all = 0;
  for (let index = 0; index < values.length; index++) all += values[index]!;
  return all;
};

/** All workers report the same value. */
const same: Merge = (values) => values[0] ?? NaN;

export const stepSeries = {
  loss: {
    per: 'worker',
    merge: mean,
    unit: '',
    title: 'Training loss',
    meaning: 'training loss',
    tag: 'train/loss',
    lists: ['compare'],
  },
  gradNorm: {
    per: 'step',
    merge: same,
    unit: '',
    title: 'Gradient norm',
    meaning: 'global L2 norm of the averaged gradient before clipping',
    tag: 'train/grad_norm',
    lists: ['run', 'compare'],
  },
  learningRate: {
    per: 'step',
    merge: null,
    unit: '',
    title: 'Learning rate',
    meaning: 'learning rate of the step',
    tag: 'train/learning_rate',
    lists: ['run', 'compare'],
  },
  samples: {
    per: 'step',
    merge: sum,
    unit: '',
    title: 'Checksum of samples',
    meaning: 'sum of the checksums of the samples that the workers have read, 32 bits each',
    tag: null,
    lists: [],
  },
  computeMs: {
    per: 'worker',
    merge: mean,
    unit: 'ms',
    title: 'Compute',
    meaning: 'milliseconds of forward and backward pass',
    tag: null,
    lists: [],
  },
  syncMs: {
    per: 'worker',
    merge: mean,
    unit: 'ms',
    title: 'Synchronisation',
    meaning: 'milliseconds of waiting for other devices, averaging and update',
    tag: null,
    lists: [],
  },
  dataMs: {
    per: 'worker',
    merge: mean,
    unit: 'ms',
    title: 'Data',
    meaning: 'milliseconds of waiting for samples',
    tag: null,
    lists: [],
  },
  stepMs: {
    per: 'step',
    merge: null,
    unit: 'ms',
    title: 'Time of a step',
    meaning: 'wall-clock milliseconds of the step',
    tag: 'time/step_ms',
    lists: ['run'],
  },
} as const satisfies Record<string, SeriesOfWorkers | SeriesOfSteps>;

export const evaluationSeries = {
  loss: {
    unit: '',
    title: 'Loss of evaluation',
    meaning: 'mean loss per sample, or per token of a language model',
    nulls: 'notFinite',
    tag: 'evaluation/loss',
    lists: ['compare'],
  },
  accuracy: {
    unit: 'share',
    title: 'Accuracy',
    meaning: 'share of right predictions, 0 to 1',
    nulls: 'notFinite',
    tag: 'evaluation/accuracy',
    lists: [],
  },
  perplexity: {
    unit: '',
    title: 'Perplexity',
    meaning: 'perplexity of a language model, exp(loss)',
    nulls: 'absent',
    tag: 'evaluation/perplexity',
    lists: [],
  },
} as const satisfies Record<string, SeriesOfEvaluations>;

export type StepTable = typeof stepSeries;
export type EvaluationTable = typeof evaluationSeries;
type NameOf<Part> = { [N in keyof StepTable]: StepTable[N] extends Part ? N : never }[keyof StepTable];

export type StepSeries = keyof StepTable;
export type WorkerSeries = NameOf<{ per: 'worker' }>;
/** What devices measure, and what the main process computes. */
export type MeasuredSeries = NameOf<{ merge: Merge }>;
export type ComputedSeries = NameOf<{ merge: null }>;
export type EvaluationSeries = keyof EvaluationTable;

export const isPerWorker = (name: StepSeries): name is WorkerSeries => stepSeries[name].per === 'worker';
export const isMeasured = (name: StepSeries): name is MeasuredSeries => stepSeries[name].merge !== null;

export const stepNames = Object.keys(stepSeries) as StepSeries[];
export const measuredNames = stepNames.filter(isMeasured);
export const evaluationNames = Object.keys(evaluationSeries) as EvaluationSeries[];

/** Names of a table's series that are in a list of the page, in the table's order. */
export function inList<Name extends string>(table: Record<Name, Series>, list: CurveList): Name[] {
  return (Object.keys(table) as Name[]).filter((name) => table[name].lists.includes(list));
}
