// The words of the components of this folder.

type Value = string | number;

export const deviceList = {
  memoryNotKnown: 'memory not known',
  cores: (cores: Value) => `, ${cores} cores`,
  provider: (name: Value) => `· ${name} provider`,
  levelOf: (label: Value, device: Value) => `${label} of ${device}`,
  memoryUnknown: 'Memory in use is not known. Only the driver of NVIDIA cards reports it.',
  memoryUse: 'Memory in use',
  load: 'Load',
};

export const memoryBars = {
  worker: 'worker',
  workers: 'workers',
  fits: 'fits in',
  doesNotFit: 'does not fit in',
  lessThanDdp: (share: Value) => `, ${share} less than DDP`,
  figures: 'Figures',
  memoryFigures: 'Memory figures',
  device: 'Device',
  total: 'total',
};
