// The words of the components of this folder.

type Value = string | number;

export const configField = {
  choose: 'Choose',
  slider: (label: Value) => `${label}, slider`,
};

export const devicesField = {
  devices: 'Devices',
  chosenByApp: 'Chosen by the app',
  deviceNumber: (number: Value) => `Device ${number}`,
  threads: 'threads',
  threadsOf: (number: Value) => `Threads of device ${number}`,
  memoryExample: 'memory, 2GiB',
  memoryOf: (number: Value) => `Memory of device ${number}`,
  removeOf: (number: Value) => `Remove device ${number}`,
  remove: 'Remove',
  addDevice: 'Add device',
};

export const flopsBalance = {
  label: 'FLOPs of a step per sample, by worker',
  balanced: 'All workers compute the same',
  slowest: (percent: Value) =>
    `The slowest worker computes ${percent} % more than the mean, and all wait for it at every step`,
  average: (balance: Value, percent: Value) => `${balance}. On average a step costs ${percent} % of the whole network.`,
};

export const mixingNote = {
  spectralGap: 'Spectral gap',
  scale: (gap: Value) => `Spectral gap ${gap} on a scale from 0 to 1`,
  more: 'What this means',
};

export const planFigures = {
  parameters: 'Parameters',
  inUnits: (parameters: Value) => `${parameters} in units`,
  workerHolds: 'A worker holds',
  ofParameters: 'of the parameters',
  batch: 'Batch',
  perWorker: (samples: Value, microBatches: Value) => `${samples} per worker${microBatches}`,
  epoch: 'Epoch',
  steps: 'steps',
  microBatches: (size: Value) => `, in micro-batches of ${size}`,
};

export const planForm = {
  label: 'Configuration',
  modelsByName: 'Models by name',
  run: 'Run',
  subnetworks: 'Subnetworks',
  model: 'Model',
  devices: 'Devices',
  training: 'Training',
  augmentation: 'Augmentation',
  evaluation: 'Evaluation',
  checkpoints: 'Checkpoints',
};

export const planPreview = {
  showField: 'Show field',
  misfit: (devices: Value) => `The plan does not fit: ${devices}.`,
  use: (change: Value) => `Use ${change}`,
  maskMatrix: 'Mask matrix',
  memoryByDevice: 'Memory by device',
  flops: 'FLOPs of a step, per sample',
  empty: 'The plan appears here once the configuration is valid.',
  planning: 'Planning…',
  planningFirst: 'Planning, nothing runs yet…',
  lastValid: 'Plan of the last valid configuration',
  noPlanYet: 'No plan yet',
  current: 'Plan of this configuration',
};

export const yamlEditor = {
  label: 'Configuration as YAML',
  lineProblem: (line: Value, problem: Value) => `Line ${line}: ${problem}`,
  showLine: 'Show line',
  copied: 'Copied',
  copy: 'Copy',
};
