// The words of the components of this folder.

type Value = string | number;

export const compareView = {
  compare: 'Compare',
  runs: 'Runs',
  leaveOut: 'Leave it out',
  loadingRuns: 'Loading runs…',
  empty: 'Select two runs or more: their curves, figures and configurations appear here.',
  group: 'Group runs that differ only in their seeds',
  figures: 'Figures',
  differences: 'Differences of the configurations',
};

export const dataView = {
  data: 'Data',
  noDataset: 'There is no dataset “',
  allDatasets: 'All datasets',
  import: 'Import',
  lookAgain: 'Look again',
  imports: 'Imports',
  pageTitle: (dataset: Value) => `${dataset} · Data`,
  sending: 'Sending the files to the machine that runs the app…',
  looking: 'Looking at the files…',
  ready: 'Ready to import.',
  notReady: 'It cannot be imported as it is; the errors say what to do.',
};

export const homeView = {
  home: 'Home',
  start: 'Start',
  plan: 'Plan a new run',
  about:
    'One network, trained by several devices: each trains its own masked subnetwork, and gradients are averaged among those that hold a parameter.',
  howWorks: 'How it works',
  noSamples: 'This installation has no samples.',
  recentRuns: 'Recent runs',
  compareRuns: (count: Value) => `Compare ${count} runs`,
  deleteButton: (runs: Value) => `Delete ${runs}…`,
  deleteTitle: (runs: Value) => `Delete ${runs}?`,
  deleteConfirm: (runs: Value) => `Delete ${runs}`,
  deleteAbout: 'Curves, checkpoints, exports and logs are removed from the data folder. This cannot be undone.',
  tryTheSample: ' The sample above is a good first one.',
  noRun: (advice: Value) => `No run yet.${advice}`,
  showMore: (older: Value) => `Show more, ${older} older`,
  devices: 'Devices',
  noDevice: 'No device was found.',
  oneRun: '1 run',
  countRuns: (count: Value) => `${count} runs`,
};

export const planView = {
  plan: 'Plan',
  basedOn: (source: Value) => `Based on ${source}. Empty fields use their defaults.`,
  startOver: 'Start over',
  asYaml: 'Edit as YAML',
  asForm: 'Edit as form',
  isDefault: 'Default for new runs',
  makeDefault: 'Use as default for new runs',
  starting: 'Starting…',
  startRun: 'Start run',
  tryAgain: 'Try again',
  loading: 'Loading the configuration…',
  importDataset: 'Import a dataset',
  orChoose: ', or choose one of those that are here.',
  fromRun: (name: Value) => `the run “${name}”`,
  fromOwn: (name: Value) => `your own beginning, “${name}”`,
  fromDefaults: 'the defaults',
  startAction: 'Start this run',
  toggleAction: 'Configuration as form or YAML',
};

export const runView = {
  cannotShow: 'This run cannot be shown',
  allRuns: 'All runs',
  loading: 'Loading the run…',
  planFromThis: 'Plan from this',
  compare: 'Compare',
  failed: 'The run failed.',
  outOfDate: (problem: Value) => `What is shown may be out of date. ${problem}`,
  stepTime: 'Time of a step',
  byTheClock: (time: Value) => `${time} by the clock; workers of one device take turns`,
  maskMatrix: 'Mask matrix',
  planning: 'The plan is being made.',
  tryModel: 'Try the model',
  run: 'Run',
  pauseAction: 'Pause the run',
  resumeAction: 'Resume the run',
  stopAction: 'Stop the run',
  checkpointAction: 'Checkpoint now',
  planAction: 'Plan a run from this one',
  compareAction: 'Compare this run',
};

export const settingsView = {
  settings: 'Settings',
  appearance: 'Appearance',
  theme: 'Theme',
  desktopNotifications: 'Desktop notifications',
  notify: 'When a run ends or fails and this window is not in front',
  blocked: 'This browser blocks notifications of this page; allow them in its site settings.',
  notAsked: 'This browser has not been asked yet.',
  askNow: 'Ask now',
  newRuns: 'New runs',
  beginWith: 'Begin with “',
  beginWithSample: 'Begin with the sample again',
  beginsWithSample: 'Begin with the sample. A plan can be made the beginning of new runs under',
  plan: 'Plan',
  asSystem: 'As the system',
  systemAbout: 'light or dark, as the desktop is set',
  light: 'Light',
  dark: 'Dark',
};

export const tryView = {
  cannotShow: 'This run cannot be shown',
  allRuns: 'All runs',
  loading: 'Loading the run…',
  try: 'Try',
  checkpoint: 'Checkpoint',
  step: (step: Value) => `step ${step}`,
  back: 'Back to the run',
  noCheckpoint: 'This run has no checkpoint yet.',
  writeOne: 'Write one',
  orWait: ', or wait until it ends.',
  openAgain: 'Open again',
  making: (step: Value) => `Making the model of step ${step} ready: it is exported and checked…`,
  pageTitle: (run: Value) => `Try ${run}`,
};

export const unknownView = {
  title: 'Nothing is at this address',
  home: 'Go to the first screen',
  pageTitle: 'Nothing here',
};
