// The words of the components of this folder.

type Value = string | number;

export const disagreementBar = {
  oneHolder: 'one holder',
};

export const maskMatrix = {
  caption: 'Units by workers: which worker holds which unit',
  block: 'Block',
  neuronsOf: 'Neurons of',
  parameters: 'Parameters',
  worker: 'worker',
  disagreement: 'Disagreement',
  shareHeld: 'share held',
  device: 'device',
  allOthers: 'all others',
  forwardOnly: 'forward only',
};

export const matrixCell = {
  whole: 'held',
  held: (count: Value, size: Value) => `${count} of ${size} held`,
  gradientNorm: (holding: Value, norm: Value) => `${holding}, gradient norm ${norm}`,
};

export const matrixNotes = {
  normAtStep: (step: Value) => `Gradient norm at step ${step}:`,
  logScaleTo: (high: Value) => `${high} (log scale)`,
  dataParallel: 'Every worker holds everything: plain data parallelism (DDP).',
  absentElsewhere: 'elsewhere it is absent.',
  forwardElsewhere: 'elsewhere it runs forward only (outlined).',
  heldBy: (unit: Value, holders: Value, numWorkers: Value, elsewhere: Value) =>
    `Every ${unit} is held by ${holders} of ${numWorkers} workers; ${elsewhere}`,
  disagreement:
    "Disagreement: how far the holders' gradients are from their average, over its norm; the mark is where they have nothing in common.",
  hint: 'Point at a cell, or move with the arrow keys, for its figures.',
};
