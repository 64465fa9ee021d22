// How fast the devices of a run are, from the time that their workers have taken; and whether other shares would make steps shorter.

import type { RunDevice } from '../device/discover.ts';
import { placeWorkers } from '../device/placement.ts';
import type { StepColumns } from '../contract/steps.ts';

/** Steps that a device is measured over. */
const leastSteps = 20;
/** Moving workers builds sessions anew: it has to make steps shorter by this share. */
const leastGain = 0.15;

type Seat = Pick<RunDevice, 'id' | 'workers'>;

export class Speeds {
  /** By worker, milliseconds since `reset`. */
  private readonly computeMs: number[] = [];
  private steps = 0;

  /** `flops`: of a step of each worker. */
  constructor(private readonly flops: readonly number[]) {}

  /** Workers have moved. */
  reset(): void {
    this.computeMs.fill(0);
    this.steps = 0;
  }

  add({ computeMs, step }: Pick<StepColumns, 'computeMs' | 'step'>): void {
    computeMs.forEach((ofWorker, worker) => {
      this.computeMs[worker] = ofWorker.reduce<number>((sum, ms) => sum + (ms ?? 0), this.computeMs[worker] ?? 0);
    });
    this.steps += step.length;
  }

  /** FLOPs that each device does in a millisecond, where shares by these would make steps shorter; else undefined. */
  worthwhile(devices: readonly Seat[]): Record<string, number> | undefined {
    if (this.steps < leastSteps || devices.length < 2) return undefined;
    const sum = (values: readonly number[], workers: readonly number[]) =>
      workers.reduce((total, worker) => total + values[worker]!, 0);
    const seats = devices.map(({ id, workers }) => ({
      id,
      weight: (this.steps * sum(this.flops, workers)) / sum(this.computeMs, workers),
    }));
    if (!seats.every(({ weight }) => Number.isFinite(weight))) return undefined;
    const longest = (placed: readonly (readonly number[])[]) =>
      Math.max(...seats.map(({ weight }, index) => sum(this.flops, placed[index]!) / weight));
    const running = Object.fromEntries(devices.map(({ id, workers }) => [id, workers]));
    const placed = placeWorkers(this.flops.length, seats, running);
    if (longest(placed) > (1 - leastGain) * longest(devices.map(({ workers }) => workers))) return undefined;
    return Object.fromEntries(seats.map(({ id, weight }) => [id, weight]));
  }
}
