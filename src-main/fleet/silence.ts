// How long a device gets nothing done, and when it counts as hanging: a driver that never returns, a process that stands still.
//
// Who waits for others, or is done with what was asked, is not silent. Only time in which this process ran as well counts, so that nobody
// hangs after the whole machine or process group has stood still.

import type { Progress } from '../native.ts';

export const lookEveryMs = 1000;

/** In milliseconds. */
export interface Patience {
  /** In whatever a device does for the first time: drivers build their kernels then. */
  firstMs: number;
  /** The least in training, once every device has done a step; else ten times its longest silence in training, but not beyond `firstMs` by that. */
  leastMs: number;
}

export const usualPatience: Patience = { firstMs: 600_000, leastMs: 15_000 };

interface Seat {
  beats: number;
  silentMs: number;
  /** Longest silence in training after which it went on. */
  longestMs: number;
}

export class Silence {
  private readonly seats: Seat[] = [];
  private lastLookAt = 0;
  private trains = false;

  constructor(private readonly patience: Patience) {}

  /** Devices are asked for something, `trains`: to train; from now on it counts. */
  begin(progress: readonly Progress[], now: number, trains: boolean): void {
    this.lastLookAt = now;
    this.trains = trains;
    progress.forEach(({ beats }, index) => {
      this.seats[index] = { beats, silentMs: 0, longestMs: this.seats[index]?.longestMs ?? 0 };
    });
  }

  /** The first that hangs, and for how many seconds. `isDone`: with what was asked; `haveTrained`: all have done a step before. */
  look(
    progress: readonly Progress[],
    isDone: (index: number) => boolean,
    now: number,
    haveTrained: boolean,
  ): { index: number; seconds: number } | undefined {
    const passed = Math.min(now - this.lastLookAt, 2 * lookEveryMs);
    this.lastLookAt = now;
    this.seats.forEach((seat, index) => this.count(seat, progress[index]!, passed));
    const isUsual = this.trains && haveTrained;
    const index = this.seats.findIndex((seat, at) => !isDone(at) && seat.silentMs > this.limit(seat, isUsual));
    return index < 0 ? undefined : { index, seconds: Math.round(this.seats[index]!.silentMs / 1000) };
  }

  private limit({ longestMs }: Seat, isUsual: boolean): number {
    const { firstMs, leastMs } = this.patience;
    return isUsual ? Math.max(leastMs, 3 * longestMs, Math.min(10 * longestMs, firstMs)) : firstMs;
  }

  private count(seat: Seat, { beats, waiting }: Progress, passed: number): void {
    if (beats === seat.beats) {
      seat.silentMs = waiting ? 0 : seat.silentMs + passed;
      return;
    }
    if (this.trains) seat.longestMs = Math.max(seat.longestMs, seat.silentMs);
    seat.beats = beats;
    seat.silentMs = 0;
  }
}
