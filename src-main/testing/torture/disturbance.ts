// One thing that is done to a run, a command or a file.

import type { Chance } from './chance.ts';
import type { Scene } from './scene.ts';

export interface Disturbance {
  weight: number;
  /** Whether it wants the data folder on a file system of a few megabytes. */
  onSmallDisk?: true;
  act(scene: Scene, chance: Chance): Promise<void>;
}

/** Name -> what it does. */
export type Disturbances = Record<string, Disturbance>;
