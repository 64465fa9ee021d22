// Follows a run in the terminal to its end: a progress line, or JSON lines. Ctrl-C ends the run at a step boundary with a checkpoint; a
// second Ctrl-C ends at once, and leaves the state in memory for `sdp resume`.

import { UserError } from '../contract/errors.ts';
import type { RunSummary } from '../contract/run.ts';
import { stepValue } from '../contract/steps.ts';
import type { App } from '../lab/app.ts';
import { onInterrupt } from './interrupt.ts';
import { StatusLine, metricOf, printJson, printNote, runProgressText, type Progress } from './output.ts';

/** Events that `--json` prints, one object per line with its `event`. */
export const streamed = new Set([
  'runChanged',
  'stepsAppended',
  'evaluationAppended',
  'memorySampled',
  'deviceChanged',
  'checkpointWritten',
]);

/** `start` begins the run and gives its id, or ends its planning by the signal. Fails where the run failed. */
export async function followRun(
  app: App,
  json: boolean,
  start: (signal: AbortSignal) => Promise<string>,
): Promise<RunSummary> {
  const stopFollowing = json ? followAsJson(app) : followAsLine(app);
  const interrupt = new AbortController();
  const stopListening = onInterrupt(() => interrupt.abort());
  const end = (runId: string) => {
    if (!json) printNote('');
    if (!json) printNote('ending the run at the next step with a checkpoint (Ctrl-C again to end at once)');
    app.stop(runId).catch((error: unknown) => printNote(`sdp: ${(error as Error).message}`));
  };
  try {
    const runId = await start(interrupt.signal);
    if (interrupt.signal.aborted) end(runId);
    else interrupt.signal.addEventListener('abort', () => end(runId));
    const summary = await app.whenEnded(runId);
    if (summary.state === 'failed') throw new UserError('device', summary.reason);
    return summary;
  } finally {
    stopListening();
    stopFollowing();
  }
}

function followAsJson(app: App): () => void {
  return app.events.subscribe(({ name, payload }) => {
    if (streamed.has(name)) printJson({ event: name, ...payload });
  });
}

function followAsLine(app: App): () => void {
  const line = new StatusLine(process.stderr);
  let progress: Progress | undefined;
  return app.events.subscribe((event) => {
    if (event.name === 'runChanged') {
      const { summary } = event.payload;
      progress ??= { summary, loss: null, startedAt: Date.now(), firstStep: summary.step };
      if (summary.warning !== progress.summary.warning) line.say(`warning: ${summary.warning}`);
      if (progress.summary.state === 'preparing' && summary.state === 'training') progress.startedAt = Date.now();
      progress.summary = summary;
    } else if (event.name === 'stepsAppended' && progress) {
      const { columns } = event.payload;
      const loss = stepValue(columns, 'loss', columns.step.length - 1);
      progress.loss = Number.isFinite(loss) ? loss : null;
      progress.summary = { ...progress.summary, step: columns.step.at(-1)! + 1 };
    } else if (event.name === 'evaluationAppended') {
      const { evaluation } = event.payload;
      const { step, samples, seconds } = evaluation;
      line.say(
        `step ${step}: ${metricOf(evaluation)} of the full network on ${samples} samples (${seconds.toFixed(1)} s)`,
      );
    }
    const shown = progress;
    if (shown) line.draw((columns) => runProgressText(shown, columns));
  });
}
