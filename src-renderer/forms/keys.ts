// The keys of the app in words, as the help lists them. What they do is registered by the views (useActions.ts) and the plots (usePlot.ts).

export const keysOfViews: { name: string; keys: { keys: string; does: string }[] }[] = [
  {
    name: 'Everywhere',
    keys: [
      { keys: 'Ctrl+K', does: 'Go to a view, run, dataset or action' },
      { keys: 'g h', does: 'Home' },
      { keys: 'g d', does: 'Data' },
      { keys: 'g p', does: 'Plan' },
      { keys: 'g c', does: 'Compare' },
      { keys: 'g s', does: 'Settings' },
      { keys: '?', does: 'This help' },
    ],
  },
  {
    name: 'Plan',
    keys: [
      { keys: 'Ctrl+Enter', does: 'Start the run' },
      { keys: 'y', does: 'Form or YAML' },
    ],
  },
  {
    name: 'Run',
    keys: [
      { keys: 'p', does: 'Pause, or resume' },
      { keys: 's', does: 'Stop with a checkpoint' },
      { keys: 'c', does: 'Checkpoint now' },
      { keys: 't', does: 'Try the model' },
    ],
  },
  {
    name: 'In a plot',
    keys: [
      { keys: '+', does: 'Zoom in' },
      { keys: '-', does: 'Zoom out' },
      { keys: '← →', does: 'Move' },
      { keys: '0', does: 'Show all' },
    ],
  },
];
