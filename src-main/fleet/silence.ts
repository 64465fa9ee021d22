// How long a device gets nothing done, and when it counts as hanging: a driver that never returns, a process that stands still.
//
// Who waits for others, or is done with what was asked, is not silent. Only time in which this process ran as well counts, so that nobody
// hangs after the whole machine or process group has stood still. A process that uses no processor has less time than one that computes, or
// waits for its turn on a busy machine.

import type { Progress } from '../native.ts';
import type { Activity } from '../processes/standstill.ts';

export const lookEveryMs = 250;

/** In milliseconds. */
export interface Patience {
  /** In whatever a device does for the first time: drivers build their kernels then. */
  firstMs: number;
  /** The least in training, once every device has done a step; else ten times its longest silence in training, but not beyond `firstMs` by that. */
  leastMs: number;
  /** The same where its process stands still, which two looks more tell; else three times its longest silence. */
  stillMs: number;
}

export const usualPatience: Patience = { firstMs: 600_000, leastMs: 15_000, stillMs: 4_500 };

/** A process that answers questions and does nothing else uses less than this part of a processor. */
const idle = 0.05;

interface Seat {
  beats: number;
  silentMs: number;
  /** Longest silence in training after which it went on. */
  longestMs: number;
  /** Since when its process stands still: how long it was silent then, and its processor time. */
  still: { sinceMs: number; seconds: number } | null;
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
      this.seats[index] = { beats, silentMs: 0, longestMs: this.seats[index]?.longestMs ?? 0, still: null };
    });
  }

  /**
   * The first that hangs, and for how many seconds. `isDone`: with what was asked; `haveTrained`: all have done a step before; `activity`: of
   * its process, asked while it is silent.
   */
  look(
    progress: readonly Progress[],
    now: number,
    { isDone, haveTrained, activity }: Surroundings,
  ): { index: number; seconds: number } | undefined {
    const passed = Math.min(now - this.lastLookAt, 2 * lookEveryMs);
    this.lastLookAt = now;
    this.seats.forEach((seat, index) => this.count(seat, progress[index]!, passed));
    const isUsual = this.trains && haveTrained;
    const hangs = (seat: Seat, index: number) => {
      if (isDone(index)) return false;
      const stillMs = isUsual && seat.silentMs > 0 ? standstill(seat, activity(index)) : 0;
      return seat.silentMs > this.limit(seat, isUsual) || stillMs > this.stillLimit(seat);
    };
    const index = this.seats.findIndex(hangs);
    return index < 0 ? undefined : { index, seconds: Math.round(this.seats[index]!.silentMs / 1000) };
  }

  private limit({ longestMs }: Seat, isUsual: boolean): number {
    const { firstMs, leastMs } = this.patience;
    return isUsual ? Math.max(leastMs, 3 * longestMs, Math.min(10 * longestMs, firstMs)) : firstMs;
  }

  private stillLimit({ longestMs }: Seat): number {
    return Math.max(this.patience.stillMs, 3 * longestMs);
  }

  private count(seat: Seat, { beats, waiting }: Progress, passed: number): void {
    if (beats === seat.beats && !waiting) {
      seat.silentMs += passed;
      return;
    }
    if (beats !== seat.beats && this.trains) seat.longestMs = Math.max(seat.longestMs, seat.silentMs);
    seat.beats = beats;
    seat.silentMs = 0;
    seat.still = null;
  }
}

export interface Surroundings {
  isDone(index: number): boolean;
  haveTrained: boolean;
  activity(index: number): Activity | null;
}

/** How long the process of a silent device has stood still, in milliseconds. */
function standstill(seat: Seat, activity: Activity | null): number {
  if (!activity || activity.runs) {
    seat.still = null;
    return 0;
  }
  seat.still ??= { sinceMs: seat.silentMs, seconds: activity.seconds };
  const ms = seat.silentMs - seat.still.sinceMs;
  const isIdle = 1000 * (activity.seconds - seat.still.seconds) <= Math.max(idle * ms, 20);
  if (!isIdle) seat.still = { sinceMs: seat.silentMs, seconds: activity.seconds };
  return isIdle ? ms : 0;
}
