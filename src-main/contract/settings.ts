// What a user has chosen for the app as a whole; one file under the data folder.

import { z } from 'zod';

export const settings = z.object({
  theme: z.enum(['system', 'light', 'dark']).default('system').describe('Colours of the page'),
  notify: z.boolean().default(true).describe('Message on the desktop when a run ends or fails'),
  /** Where new runs begin: a run configuration, still to be checked; null: the sample. */
  startFrom: z.unknown().default(null),
});
export type Settings = z.infer<typeof settings>;
