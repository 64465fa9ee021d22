// The words of the components of this folder.

type Value = string | number;

export const exportPanel = {
  title: 'Checkpoints and exports',
  export: 'Export',
  writtenAtEnd: '; one is written when the run ends or is stopped',
  noCheckpoint: (when: Value) => `No checkpoint yet${when}.`,
  checkpointsKept: 'Checkpoints kept:',
  steps: (steps: string[]) => `step ${steps.join(', step ')}`,
  exporting: (formats: string[]) => `Exporting ${formats.join(' and ')}…`,
  exports: 'Exports',
  ofStep: (step: Value) => `of step ${step}`,
  checked: 'checked',
  compared: (samples: Value, difference: Value) =>
    `Read back and compared on ${samples} samples: largest relative difference of logits ${difference}`,
  accuracy: (accuracy: Value) => `, accuracy ${accuracy}`,
};
