// Frames of the page: drawings share them, so that none takes too long, and what a frame has taken is measured.

const budgetMs = 8;

const waiting = new Set<() => void>();
let frame = 0;

/** Draws in the next frame; in a later one where others have used it up. Asked for twice, it draws once. */
export function drawSoon(draw: () => void): void {
  waiting.add(draw);
  frame ||= requestAnimationFrame(drawSome);
}

export function drawNever(draw: () => void): void {
  waiting.delete(draw);
}

function drawSome(): void {
  const from = performance.now();
  frame = 0;
  for (const draw of waiting) {
    waiting.delete(draw);
    draw();
    if (performance.now() - from > budgetMs) break;
  }
  if (waiting.size > 0) frame = requestAnimationFrame(drawSome);
}

/** Milliseconds from now to the end of this task, and of the frame that follows it: script, layout, painting. Nothing while the page is hidden. */
export function costOfFrame(taken: (ms: number) => void): void {
  const from = performance.now();
  let taskMs = 0;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => (taskMs = performance.now() - from);
  channel.port2.postMessage(null);
  requestAnimationFrame(() => {
    const frameFrom = performance.now();
    channel.port1.onmessage = () => {
      taken(taskMs + performance.now() - frameFrom);
      channel.port1.close();
    };
    channel.port2.postMessage(null);
  });
}
