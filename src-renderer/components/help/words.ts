// The words of the components of this folder.

type Value = string | number;

export const helpMasks = {
  coverage: (k: Value) => `coverage k = ${k}`,
  label: (coverage: Value, meaning: Value) => `Eight units by four workers, coverage ${coverage}. ${meaning}`,
  slider: 'Coverage of the illustration',
  coverage1: 'Nobody shares a unit: four separate networks. The masks are not connected.',
  coverage2: 'Each worker holds half of the units; every unit is averaged over two workers.',
  coverage3: 'Each worker lacks a quarter; averaging mixes quickly.',
  coverage4: 'Everybody holds everything: plain data parallelism (DDP).',
};

export const helpStep = {
  label:
    'Four workers compute gradients; each of four units is averaged over its two holders; one optimizer updates the shared parameters.',
  worker: (worker: Value) => `worker ${worker}`,
  mean: 'mean',
  oneOptimizer: 'one optimizer, one θ',
  gradientsOf: 'gradients of',
  heldUnits: 'held units',
  averagedOver: 'averaged over',
  theHolders: 'the holders',
};
