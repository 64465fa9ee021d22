// The words of the components of this folder.

type Value = string | number;

export const drawPad = {
  label: 'Drawing. Arrows move the pen, Shift with arrows draws, Delete clears. Or drop an image.',
  clear: 'Clear',
  openImage: 'Open image…',
  invert: 'invert an image',
  hint: 'Draw here, or drop an image. With the keyboard: arrows move, Shift with arrows draws.',
  unreadable: (name: Value) => `“${name}” is not an image that this page can read.`,
};

export const tryImage = {
  image: 'Image',
  validationSample: 'Validation sample',
  prediction: 'Prediction',
  asModelTakesIt: 'The image as the model takes it',
  answer: (probability: Value, time: Value) => `${probability}, in ${time}`,
  itsLabelIs: 'its label is',
  likeliest: 'Likeliest classes',
  none: 'Nothing yet: draw something, drop an image, or take a validation sample.',
};

export const tryText = {
  text: 'Text',
  prompt: 'Prompt',
  promptTokens: 'Prompt, as token numbers',
  tokens: 'Tokens',
  temperature: 'Temperature',
  seed: 'Seed',
  generating: 'Generating…',
  generate: 'Generate',
  cancel: 'Cancel',
  endOfText: '(end of text)',
  sees: (time: Value, tokens: Value) => `In ${time}; the model sees ${tokens} tokens at once.`,
  example: 'The ',
};
