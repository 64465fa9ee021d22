// The smallest change of a run after which every device has room for it.
//
// What can be changed: the micro-batch (the samples of a step stay, in more parts), recomputation, coverage. Micro-batch and recomputation give
// the run's own results, or nearly so, at the price of time, and are tried by themselves, then together; lower coverage is tried by itself,
// and with the others only where nothing else fits. Where BatchNorm normalises each micro-batch, recomputation comes first. Each way gives
// its smallest change that fits, or its greatest where none does. What is needed falls along a way, so the smallest is found by bisection.

export interface Setting {
  /** Samples that a worker runs at once. */
  microBatch: number;
  recompute: boolean;
  /** Holders of each unit. */
  coverage: number;
}

export interface Choices {
  /** Smaller ones that may be tried, largest first. */
  microBatches: readonly number[];
  /** Whether results depend on the micro-batch. */
  microBatchMatters: boolean;
  /** Lower ones that may be tried, highest first. */
  coverages: readonly number[];
}

export interface Need {
  device: string;
  neededBytes: number;
  capacityBytes: number;
}

export interface Trial extends Setting {
  /** The device with least room. */
  need: Need;
  fits: boolean;
}

/** `predict`: what every device would need. */
export function tryChanges(
  from: Setting,
  { microBatches, microBatchMatters, coverages }: Choices,
  predict: (setting: Setting) => readonly Need[],
): Trial[] {
  const trials: Trial[] = [];
  const attempt = (setting: Setting): Trial => {
    const need = fullest(predict(setting));
    return { ...setting, need, fits: hasRoom(need) };
  };
  const attemptAll = (settings: readonly Setting[]) => trials.push(...smallest(settings, attempt));
  const fits = () => trials.some((trial) => trial.fits);
  const parts = (setting: Setting) => microBatches.map((microBatch) => ({ ...setting, microBatch }));
  const recomputed = from.recompute ? [] : [{ ...from, recompute: true }];

  const exact = [parts(from), recomputed];
  (microBatchMatters ? exact.reverse() : exact).forEach(attemptAll);
  if (!fits()) attemptAll(recomputed.flatMap(parts));
  attemptAll(coverages.map((coverage) => ({ ...from, coverage })));
  for (const start of microBatches.length > 0 ? [from, ...recomputed] : recomputed) {
    if (fits()) break;
    const least = { ...start, microBatch: microBatches.at(-1) ?? from.microBatch };
    const [lowered] = smallest(
      coverages.map((coverage) => ({ ...least, coverage })),
      attempt,
    );
    if (lowered?.fits) attemptAll([from.microBatch, ...microBatches].map((microBatch) => ({ ...lowered, microBatch })));
    else if (lowered) trials.push(lowered);
  }
  return trials;
}

export const hasRoom = ({ neededBytes, capacityBytes }: Need): boolean => neededBytes <= capacityBytes;

/** The device that uses most of its capacity. */
const fullest = (needs: readonly Need[]): Need =>
  needs.reduce((worst, need) =>
    need.neededBytes / need.capacityBytes > worst.neededBytes / worst.capacityBytes ? need : worst,
  );

/** The first setting that fits, of settings that need less and less; the last where none does; nothing where there is none. */
function smallest(settings: readonly Setting[], attempt: (setting: Setting) => Trial): Trial[] {
  if (settings.length === 0) return [];
  let found = attempt(settings.at(-1)!);
  let [low, high] = [0, found.fits ? settings.length - 1 : 0];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const trial = attempt(settings[middle]!);
    if (trial.fits) [found, high] = [trial, middle];
    else low = middle + 1;
  }
  return [found];
}
