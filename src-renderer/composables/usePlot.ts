// The one owner of a uPlot object: creates it, keeps its size, feeds it at most once a frame and not while it cannot be seen, destroys it.
//
// The plot shows `extent` until the user selects a part (by dragging, or + and - on the keyboard); a double click or 0 shows all again.
// Data are asked for by the visible range and the width in pixels, so that only what can be seen is drawn.

import uPlot from 'uplot';
import { computed, onMounted, onScopeDispose, shallowRef, watch, type Ref } from 'vue';
import { drawNever, drawSoon } from './frames.ts';

/** Share of the plot's width by which added values must go on to be drawn at once; of less, what can be seen is drawn after a time. */
const leastGrowth = 0.02;
const leastPx = 2;
const drawnEveryMs = 5000;

export type Range = readonly [number, number];

export interface PlotSource {
  /** Everything but size; a change makes the plot anew. `fontPx` is the font size at the plot. */
  options: (fontPx: number) => Omit<uPlot.Options, 'width' | 'height'>;
  data: (range: Range, widthPx: number) => uPlot.AlignedData;
  /** Whole range of x. */
  extent: () => Range;
  /** Another value whenever it must be drawn anew, other than for values that were added at the end. */
  version: () => unknown;
  /** x of the last values, which is where they are added. */
  newest: () => number;
  /** x under the cursor; null when it is outside. */
  cursor: (x: number | null) => void;
}

export function usePlot(host: Readonly<Ref<HTMLElement | null>>, source: PlotSource) {
  const zoom = shallowRef<Range | null>(null);
  let plot: uPlot | null = null;
  let inView = true;
  let drawnTo = 0;
  let drawnAt = 0;
  let fontPx = 0;

  function create(): void {
    const element = host.value;
    if (!element) return;
    plot?.destroy();
    fontPx = parseFloat(getComputedStyle(element).fontSize);
    const options = source.options(fontPx);
    const hooks: uPlot.Hooks.Arrays = { ...options.hooks, setSelect: [selected], setCursor: [pointed] };
    const empty = options.series.map(() => []) as unknown as uPlot.AlignedData;
    plot = new uPlot({ ...options, ...sizeOf(element), hooks }, empty, element);
    plot.over.addEventListener('dblclick', showAll);
    draw();
  }

  function draw(): void {
    if (!plot) return;
    const range = zoom.value ?? source.extent();
    const [min, max] = range;
    drawnTo = placeOf(source.newest(), range);
    drawnAt = performance.now();
    const data = source.data(range, plot.width);
    plot.batch(() => {
      plot!.setData(data, false);
      plot!.setScale('x', { min, max: max > min ? max : min + 1 });
    });
  }

  function schedule(): void {
    if (inView && !document.hidden) drawSoon(draw);
  }

  /** As a share of the plot's width, within the plot. */
  function placeOf(x: number, [min, max]: Range): number {
    return Math.min(1, Math.max(0, (x - min) / (max - min)));
  }

  function added(): void {
    const to = placeOf(source.newest(), zoom.value ?? source.extent());
    const growth = Math.abs(to - drawnTo);
    const isDue = growth * (plot?.width ?? 0) >= leastPx && performance.now() - drawnAt >= drawnEveryMs;
    if (growth >= leastGrowth || isDue) schedule();
  }

  function resize(): void {
    const element = host.value;
    if (!plot || !element) return;
    if (parseFloat(getComputedStyle(element).fontSize) !== fontPx) return create();
    plot.setSize(sizeOf(element));
    schedule();
  }

  function selected(from: uPlot): void {
    const { left, width } = from.select;
    if (width < 4) return;
    zoom.value = [from.posToVal(left, 'x'), from.posToVal(left + width, 'x')];
    from.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    schedule();
  }

  function pointed({ cursor, data }: uPlot): void {
    const inside = cursor.left !== undefined && cursor.left >= 0 && typeof cursor.idx === 'number';
    source.cursor(inside ? (data[0][cursor.idx!] ?? null) : null);
  }

  function showAll(): void {
    zoom.value = null;
    schedule();
  }

  /** Keeps the middle and takes a share of the visible range; more than the whole shows all. */
  function zoomBy(share: number): void {
    const extent = source.extent();
    const [min, max] = zoom.value ?? extent;
    const half = ((max - min) * share) / 2;
    const next: Range = [Math.max(extent[0], (min + max) / 2 - half), Math.min(extent[1], (min + max) / 2 + half)];
    if (next[1] - next[0] >= extent[1] - extent[0]) return showAll();
    zoom.value = next;
    schedule();
  }

  /** Moves the visible part by a share of its width, within the whole. */
  function panBy(share: number): void {
    if (!zoom.value) return;
    const [low, high] = source.extent();
    const [min, max] = zoom.value;
    const shift = Math.min(high - max, Math.max(low - min, (max - min) * share));
    zoom.value = [min + shift, max + shift];
    schedule();
  }

  function key(event: KeyboardEvent): void {
    const actions: Record<string, () => void> = {
      '+': () => zoomBy(0.5),
      '-': () => zoomBy(2),
      '0': showAll,
      ArrowLeft: () => panBy(-0.25),
      ArrowRight: () => panBy(0.25),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }

  const observer = new ResizeObserver(resize);
  const view = new IntersectionObserver((entries) => {
    const before = inView;
    inView = entries.at(-1)!.isIntersecting;
    if (inView && !before) schedule();
  });
  onMounted(() => {
    create();
    observer.observe(host.value!);
    view.observe(host.value!);
    document.addEventListener('visibilitychange', schedule);
  });
  watch(() => source.options(fontPx), create, { flush: 'post' });
  watch(() => [source.version(), ...source.extent()], schedule);
  watch(source.newest, added);
  onScopeDispose(() => {
    drawNever(draw);
    observer.disconnect();
    view.disconnect();
    document.removeEventListener('visibilitychange', schedule);
    plot?.destroy();
    plot = null;
  });

  return { zoomed: computed(() => zoom.value !== null), showAll, key };
}

function sizeOf(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, element.clientWidth), height: Math.max(80, element.clientHeight) };
}
