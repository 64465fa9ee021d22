// The words of the components of this folder.

type Value = string | number;

export const lossChart = {
  loss: 'Loss',
  over: 'over',
  workers: 'workers',
  logScale: 'log scale',
  smoothingLabel: 'smoothing',
  smoothing: 'Smoothing',
  off: 'off',
  lossAtStep: (step: Value) => `Loss at step ${step}`,
  step: (step: Value) => `step ${step}`,
  mean: 'mean',
  waiting: 'Waiting for the first step.',
  worker: (worker: Value) => `worker ${worker}`,
  label: (mean: Value, step: Value) => `Training loss by step; mean ${mean} at step ${step}`,
  labelEmpty: 'Training loss by step; no step yet',
};

export const memoryChart = {
  title: 'Memory over time',
  dashedPredicted: 'dashed: predicted',
  label: (sentence: Value) => `Memory by device. ${sentence}`,
  measured: (device: Value) => `${device} measured`,
  predicted: (device: Value) => `${device} predicted`,
  none: 'Not measured yet.',
  largest: (measured: Value, predicted: Value) => `Largest device: ${measured} measured, ${predicted} predicted.`,
};

export const metricChart = {
  about: 'full network, validation samples',
  step: (step: Value) => `step ${step}`,
  evaluation: (loss: Value, samples: Value, seconds: Value) => `loss ${loss} · ${samples} samples · ${seconds}`,
  none: 'Not evaluated yet.',
  label: (metric: Value, last: Value, step: Value) => `${metric} by step; ${last} at step ${step}`,
  labelEmpty: (metric: Value) => `${metric} by step; no evaluation yet`,
};

export const runDevices = {
  title: 'Devices and memory',
  add: 'Add device',
  full: 'Every worker has a device of its own.',
  remove: 'Remove',
  removeDevice: (device: Value) => `Remove ${device} from the run`,
  leaving: 'Leaving…',
  joining: (device: Value) => `${device} joins at the next step…`,
  lost: 'Lost devices',
  lostAt: (step: Value, reason: Value) => `lost at step ${step}: ${reason}`,
  bringBack: 'Bring back',
  bringBackDevice: (device: Value) => `Bring ${device} back into the run`,
};

export const runFacts = {
  title: 'Configuration',
  label: 'Configuration keys',
};

export const runHeader = {
  stateRun: 'State of the run',
  stepsDone: 'Steps done',
  checkpointNow: 'Checkpoint now',
  saving: 'Saving…',
  pause: 'Pause',
  pausing: 'Pausing…',
  stopRun: 'Stop run',
  stopping: 'Stopping…',
  resumeRun: 'Resume run',
  resuming: 'Resuming…',
  step: 'Step',
  of: (steps: Value) => `of ${steps}`,
  rate: 'Rate',
  timeLeft: 'Time left',
  meanLoss: 'Mean loss',
};

export const runHistory = {
  label: 'History by step',
  step: (step: Value) => `step ${step}`,
  evaluated: (metric: Value, value: Value, loss: Value) => `Evaluated: ${metric} ${value}, loss ${loss}`,
  checkpointWritten: 'Checkpoint written',
  exported: (format: Value) => `Exported as ${format}, and checked`,
  created: (date: Value) => `Created ${date}`,
  lost: (device: Value, reason: Value) => `Lost ${device}: ${reason}`,
  joined: (device: Value) => `${device} joined`,
  left: (device: Value) => `${device} left`,
};

export const runLog = {
  title: 'History',
  tabs: 'History as',
  log: 'Log',
  steps: 'Steps',
};

export const runTitle = {
  field: 'Name of the run',
  renameConfirm: 'Rename',
  cancel: 'Cancel',
  renameButton: 'Rename…',
  deleteButton: 'Delete…',
  deleteTitle: (name: Value) => `Delete “${name}”?`,
  deleteConfirm: 'Delete run',
  deleteAbout: 'Its curves, checkpoints, exports and log are removed from the data folder. This cannot be undone.',
};

export const scalarChart = {
  tabs: 'Curve',
  newest: 'newest',
  label: (title: Value, newest: Value) => `${title}; newest ${newest}`,
};

export const stepSplit = {
  none: 'No step has been timed yet.',
  label: 'Time of a step by worker',
  slowest: (worker: Value, percent: Value) => `Worker ${worker} takes ${percent} % longer than the mean.`,
};
