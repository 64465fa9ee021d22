// The words of the components of this folder.

type Value = string | number;

export const dropTarget = {
  drop: 'Drop to import',
  kinds: 'Images, tables, text or arrays; a file or a folder',
  files: 'Files',
};

export const importAccount = {
  became: 'What became of the files',
  becomes: 'What becomes of the files',
  used: 'Used',
  notUsed: 'Not used',
};

export const importForm = {
  path: 'Path',
  lookInside: 'Look inside',
  chooseFiles: 'Choose files',
  chooseFolder: 'Choose folder',
  about:
    'A file or folder of images, tables, arrays, text or tokens, also in a zip or tar: by its path where the app runs, chosen here, or dropped on the window. Nothing is imported until you say so.',
  filesSent: 'Files sent',
  sent: (files: Value, totalFiles: Value, bytes: Value, totalBytes: Value) =>
    `Sent ${files} of ${totalFiles} files, ${bytes} of ${totalBytes}`,
  cancel: 'Cancel',
};

export const importList = {
  cancelOf: (name: Value) => `Cancel the import of ${name}`,
  cancel: 'Cancel',
  progressOf: (name: Value) => `Progress of ${name}`,
  importing: 'Importing',
  imported: 'Imported',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export const importOptionsForm = {
  options: 'Options',
  byDefault: 'default',
  inferred: (value: Value) => `default: ${value}`,
};

export const importPreviews = {
  noClassTitle: 'No class',
  noClass: 'no class',
  normalisedFrom: (min: Value, max: Value) => `normalised from ${min} to ${max}`,
  resized: (from: Value, to: Value, range: Value) => `${from} made ${to}; ${range}`,
};

export const importProblems = {
  problems: 'Problems',
  times: (count: Value) => `(${count} times)`,
  where: 'Where',
  more: (count: Value) => `and ${count} more`,
  error: 'Error',
  warning: 'Warning',
  note: 'Note',
  row: (row: Value) => `row ${row}`,
  byte: (offset: Value) => `byte ${offset}`,
};

export const importVerdict = {
  title: 'What was found',
  discard: 'Discard these files',
  recognisedAs: (title: Value) => `Recognised as ${title}`,
  notRecognised: 'Not recognised',
  lookedAt: 'Looked at',
  lookedAtIn: (seconds: Value, rest: Value) => `in ${seconds}${rest}.`,
  name: 'Name',
  import: 'Import',
  previews: 'As the model will see it',
  classes: 'Classes',
  trainingValidation: 'training, validation',
  nameTaken: 'There is a dataset of this name already; choose another.',
  nameInvalid: 'Letters, digits, “_”, “-” and “.” only, and not a sign first.',
};
