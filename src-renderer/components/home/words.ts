// The words of the components of this folder.

type Value = string | number;

export const damagedRuns = {
  label: 'Damaged runs',
  deleteButton: 'Delete…',
  deleteTitle: (id: Value) => `Delete run ${id}?`,
  deleteConfirm: 'Delete run',
  deleteAbout: 'All remaining files of this run will be deleted permanently.',
};

export const runTable = {
  runs: 'Runs',
  select: 'Select',
  run: 'Run',
  loss: 'Loss',
  state: 'State',
  metric: 'Metric',
  selectRun: (name: Value, id: Value) => `Select ${name} of ${id}`,
  progress: (step: Value, steps: Value) => `${step} of ${steps} steps`,
  created: (date: Value) => `Created ${date}.`,
};

export const sampleCard = {
  startOf: (title: Value) => `Start sample ${title}`,
  starting: 'Starting…',
  start: 'Start sample',
  changeOf: (title: Value) => `Change and plan ${title}`,
  change: 'Change and plan',
};

export const sparkLine = {
  none: 'No loss yet',
  range: (first: Value, last: Value) => `Loss from ${first} to ${last}`,
};
