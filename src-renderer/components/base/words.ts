// The words of the components of this folder.

type Value = string | number;

export const deleteButton = {
  keep: 'Keep',
};

export const plotCanvas = {
  withKeys: (label: Value) => `${label}. Keys: plus and minus zoom, arrows move, 0 shows all.`,
  showAll: 'Show all',
};

export const searchList = {
  nothingYet: 'Nothing to choose from yet.',
  noMatches: 'No matches.',
  more: (count: Value) => `${count} more; type to find them.`,
};

export const workerChip = {
  worker: 'worker',
};
