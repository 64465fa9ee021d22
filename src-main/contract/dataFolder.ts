// Where datasets, runs, checkpoints and exports are stored, and the choice of another folder for them.

import { z } from 'zod';
import { userPath } from './userPath.ts';

export const dataFolder = z.object({
  inUse: z.string(),
  /** From the next start on. */
  next: z.string(),
  /** Whether `next` was chosen; otherwise it is the default, or what the environment variable says. */
  chosen: z.boolean(),
  /** The environment variable SDP_HOME decides; nothing can be chosen. */
  fixed: z.boolean(),
});
export type DataFolder = z.infer<typeof dataFolder>;

export const dataFolderCommands = {
  /** Holds from the next start on, and moves nothing; `dataFolderChosen` tells of it. */
  chooseDataFolder: {
    params: z.strictObject({
      folder: userPath().nullable().describe('absolute; null: the default'),
    }),
    result: z.object({
      offer: z
        .string()
        .nullable()
        .describe('not chosen, since it holds other things: a folder in it to choose instead'),
    }),
  },
} as const;
