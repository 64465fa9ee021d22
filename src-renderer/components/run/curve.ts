// What the curves over the steps of a run are drawn from.

import type { Mark } from '../../charts/plotOptions.ts';
import type { RunSeries } from '../../charts/runSeries.ts';
import type { XAxis } from '../../charts/xAxis.ts';
import type { Range } from '../../composables/usePlot.ts';

export interface Curve {
  series: RunSeries;
  /** Grows with the series, which is not reactive. */
  version: number;
  /** x of the last step. */
  newest: number;
  extent: () => Range;
  axis: XAxis;
  events: readonly Mark[];
}
