// The words of the components of this folder, and of App.vue.

type Value = string | number;

export const app = {
  skip: 'Skip to content',
  go: 'Go to…',
  home: 'Home',
  data: 'Data',
  plan: 'Plan',
  compare: 'Compare',
  settings: 'Settings',
  helpAndKeys: 'Help and keys',
};

export const catalogueNotice = {
  askAgain: 'Ask again',
  loadingRunsDatasets: 'Loading runs and datasets…',
};

export const commandPalette = {
  title: 'Go to',
  field: 'Go to view, run, dataset or action',
  placeholder: 'View, run, dataset or action',
  results: 'Results',
  dataset: 'Dataset',
};

export const connectionNotice = {
  tryNow: 'Try now',
  lost: 'Connection lost, trying again.',
  noAnswer: 'The app does not answer, trying again.',
  nextAttempt: (seconds: Value) => `Next attempt in ${seconds} s.`,
};

export const topBar = {
  views: 'Views',
  go: 'Go to…',
  connected: 'Connected',
  notConnected: 'Not connected',
  connecting: 'Connecting',
  home: 'Home',
  data: 'Data',
  plan: 'Plan',
  compare: 'Compare',
  settings: 'Settings',
  help: 'Help',
};
