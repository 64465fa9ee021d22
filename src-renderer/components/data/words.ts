// The words of the components of this folder.

type Value = string | number;

export const classHistogram = {
  samplesByClass: 'Samples by class',
  show: (label: Value, training: Value, validation: Value) =>
    `Show ${label}: ${training} training, ${validation} validation samples`,
  allEqual: (samples: Value) => `Every class has ${samples} training samples.`,
  range: (fewest: Value, fewestClass: Value, largest: Value, largestClass: Value) =>
    `From ${fewest} training samples (${fewestClass}) to ${largest} (${largestClass}).`,
};

export const datasetActions = {
  name: 'Name',
  rename: 'Rename',
  deleteButton: 'Delete…',
  deleteTitle: (name: Value) => `Delete “${name}”?`,
  deleteConfirm: 'Delete dataset',
  curvesStay: 'Their curves stay, but they can no longer be resumed, evaluated or exported.',
  deleteAbout: (users: Value, consequence: Value) =>
    `What was imported is removed from the data folder; the files that it came from stay. ${users} ${consequence}`,
  renamingUpdates: 'Renaming updates these runs.',
  noRunUses: 'No run uses it.',
  andMore: (count: Value) => ` and ${count} more`,
  oneRunUses: 'One run uses',
  runsUse: (count: Value) => `${count} runs use`,
  usedBy: (runs: Value, names: Value, more: Value) => `${runs} it: ${names}${more}.`,
};

export const datasetList = {
  datasets: 'Datasets',
  import: 'Import',
  damaged: 'Damaged; cannot be used',
  none: 'None yet. Samples bring their own.',
  drop: 'Drop a file or a folder anywhere on this window to import it.',
};

export const datasetPanel = {
  from: 'From',
  classes: 'Classes',
  trainingValidation: 'training, validation',
  samples: 'Samples',
};

export const sampleGallery = {
  of: 'of',
  training: 'training',
  validation: 'validation',
  ofClass: 'of class',
  back: 'Back',
  range: (from: Value, to: Value, total: Value) => `${from} to ${to} of ${total}`,
  next: 'Next',
  loadingSamples: 'Loading samples…',
  sample: (index: Value, label: Value) => `Sample ${index}, ${label}`,
};

export const tokenList = {
  token: (id: Value) => `Token ${id}`,
};
