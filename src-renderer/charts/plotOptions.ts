// Options of a line plot over steps in the look of the page. Marks: a red flag at the upper edge where a value was not finite, a dashed line where
// devices changed, red where one was lost.
//
// Lines are drawn a pixel wide, broader ones as several beside each other. Where no graphics card draws, a stroke wider than a pixel
// through some hundred points takes ten to sixty times as long (bench/results.md), which is time that training needs.

import uPlot from 'uplot';
import { baseOf } from './format.ts';

export interface PlotLine {
  label: string;
  colour: string;
  /** In CSS pixels; 0: not drawn. */
  width: number;
  dash?: number[];
  points?: boolean;
  /** Draws on across rows where it has no value. */
  spansGaps?: boolean;
}

/** The area between two lines, by their places in the list. */
export interface PlotBand {
  high: number;
  low: number;
  colour: string;
}

/** What has happened at a place of the x-axis. */
export interface Mark {
  x: number;
  kind: 'fault' | 'loss' | 'change';
}

export interface PlotLook {
  fontPx: number;
  text: string;
  grid: string;
  mark: string;
}

export interface PlotSpec {
  lines: PlotLine[];
  bands?: PlotBand[];
  look: PlotLook;
  logarithmic: boolean;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
  /** Range of y for the smallest and largest value shown. */
  rangeY?: (min: number, max: number) => [number, number];
  marks: () => readonly Mark[];
}

export function plotOptions(spec: PlotSpec): Omit<uPlot.Options, 'width' | 'height'> {
  return {
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
    padding: [spec.look.fontPx * 0.7, spec.look.fontPx * 0.8, 0, 0],
    scales: { x: { time: false, auto: false }, y: scaleY(spec) },
    axes: [
      {
        ...axis(spec, spec.formatX),
        size: spec.look.fontPx * 1.5,
        space: spec.look.fontPx * 4,
        incrs: baseOf(spec.formatX) === 2 ? binaryIncrements : wholeIncrements,
      },
      {
        ...axis(spec, spec.formatY),
        size: widthOfLabels(spec.look.fontPx),
        space: spec.look.fontPx * 2.2,
        ...(baseOf(spec.formatY) === 2 && { incrs: binaryIncrements }),
      },
    ],
    series: [{}, ...spec.lines.map(line)],
    bands: (spec.bands ?? []).map(({ high, low, colour }) => ({ series: [high + 1, low + 1], fill: colour })),
    hooks: { draw: [(plot) => drawMarks(plot, spec)] },
  };
}

function scaleY({ logarithmic, rangeY }: PlotSpec): uPlot.Scale {
  if (logarithmic) return { distr: 3 };
  const range = rangeY ?? ((min: number, max: number) => uPlot.rangeNum(min, max, 0.08, true) as [number, number]);
  return { range: (_, min, max) => (min === null || max === null || min > max ? [0, 1] : range(min, max)) };
}

/** 1, 2, 5, 10, ...: steps and bytes have no fractions, and labels rounded to whole numbers must be where they say. */
const wholeIncrements = Array.from({ length: 18 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
/** Of sizes of memory. */
const binaryIncrements = Array.from({ length: 60 }, (_, power) => 2 ** power);

const labelShare = 0.8;

/** Room for the longest label; a character is at most 0.62 em wide on average. */
function widthOfLabels(fontPx: number): uPlot.Axis.Size {
  return (_, labels) => {
    const characters = Math.max(0, ...(labels ?? []).map((label) => label.length));
    return fontPx * Math.max(3.4, 0.6 + 0.62 * labelShare * characters);
  };
}

function axis({ look }: PlotSpec, format: (value: number) => string): uPlot.Axis {
  return {
    stroke: look.text,
    font: `${look.fontPx * labelShare}px Inter, system-ui, sans-serif`,
    gap: look.fontPx * 0.3,
    grid: { stroke: look.grid, width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map((value) => (value === null ? '' : format(value))),
  };
}

function line({ label, colour, width, dash, points, spansGaps = false }: PlotLine): uPlot.Series {
  return {
    label,
    stroke: colour,
    width: width === 0 ? 0 : 1 / devicePixelRatio,
    paths: strands(Math.round(width * devicePixelRatio)),
    spanGaps: spansGaps,
    ...(dash?.length ? { dash } : {}),
    points: points ? { show: true, size: 6, fill: colour, stroke: colour } : { show: false },
  };
}

const linear = uPlot.paths.linear!();

/** A path once more for each further pixel, to the right and below. */
function strands(pixels: number): uPlot.Series.PathBuilder {
  return (plot, ...range) => {
    const paths = linear(plot, ...range);
    if (!paths || !(paths.stroke instanceof Path2D)) return paths;
    const stroke = new Path2D(paths.stroke);
    for (let pixel = 1; pixel < pixels; pixel++) {
      stroke.addPath(paths.stroke, { e: pixel });
      stroke.addPath(paths.stroke, { f: pixel });
    }
    return { ...paths, stroke };
  };
}

function drawMarks(plot: uPlot, { look, marks }: PlotSpec): void {
  const { ctx, bbox } = plot;
  const size = look.fontPx * 0.42 * devicePixelRatio;
  const { min, max } = plot.scales.x!;
  let lastX = -Infinity;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const { x: at, kind } of marks()) {
    if (at < min! || at > max!) continue;
    const x = Math.round(plot.valToPos(at, 'x', true));
    if (kind === 'fault' && x - lastX < size) continue;
    if (kind === 'fault') lastX = x;
    ctx.fillStyle = ctx.strokeStyle = kind === 'change' ? look.text : look.mark;
    ctx.setLineDash(kind === 'fault' ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.globalAlpha = kind === 'fault' ? 0.35 : 0.9;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (kind !== 'fault') continue;
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.moveTo(x - size, bbox.top - size);
    ctx.lineTo(x + size, bbox.top - size);
    ctx.lineTo(x, bbox.top + size);
    ctx.fill();
  }
  ctx.restore();
}
