// The words of the components of this folder.

type Value = string | number;

export const compareChart = {
  curves: 'Curves',
  quantity: 'Quantity',
  over: 'over',
  logScale: 'log scale',
  smoothingLabel: 'smoothing',
  smoothing: 'Smoothing',
  save: 'Save',
  lines: 'Lines',
  bands: 'Groups of seeds: mean, and one sample standard deviation to either side.',
  byLines: (y: Value, x: Value, count: Value) => `${y} by ${x} of ${count} lines`,
  title: (y: Value, x: Value) => `${y} by ${x}`,
};

export const configDifferences = {
  same: 'The configurations are the same.',
  keysDiffer: 'Keys that differ',
  key: 'Key',
};

export const outcomeTable = {
  label: 'Figures of the runs',
  run: 'Run',
  steps: 'Steps',
  metric: 'Metric',
  lossEvaluation: 'Loss of evaluation',
  largestProcess: 'Largest process',
  trainingTime: 'Training time',
  communicated: 'Communicated',
};

export const runSelection = {
  find: 'Find runs by name',
  placeholder: 'Find by name',
  list: 'Runs to compare',
};
