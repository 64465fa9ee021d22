// Frames of the page: drawings share them, so that none takes too long.

const budgetMs = 12;

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
