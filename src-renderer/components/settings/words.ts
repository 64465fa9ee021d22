// The words of the components of this folder.

export const dataFolderPanel = {
  title: 'Data folder',
  inUse: 'In use now',
  fromNext: 'From the next start',
  contents: 'Datasets, runs, checkpoints and exports.',
  variable: 'The environment variable',
  variableDecides: 'says where; to choose here, start the app without it.',
  another: 'Another folder',
  use: 'Use from the next start',
  useDefault: 'Use the default again',
  about:
    'By its absolute path where the app runs: an empty folder, one that is not there yet, or an earlier data folder. Nothing is moved, and a run goes on where it is.',
  holdsOther: 'That folder holds other things. This one in it would keep them apart:',
  useInner: 'Use that one',
};

export const doctorPanel = {
  title: 'This machine',
  looking: 'Looking …',
  lookAgain: 'Look again',
  good: 'Good',
  note: 'Note',
  warning: 'Warning',
  missing: 'Missing',
};
