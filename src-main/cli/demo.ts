// `sdp demo`: the sample run in the terminal, from import to exported checkpoint.

import { samples } from '../lab/samples.ts';
import { overridden } from './configFile.ts';
import { followRun } from './follow.ts';
import { openApp } from './home.ts';
import { printEnd, printJson, printLine } from './output.ts';

export async function runDemo(overrides: readonly string[], json: boolean): Promise<void> {
  const sample = samples[0]!;
  const config = overridden(sample.config, overrides);
  const app = await openApp();
  if (!json) printLine(`${sample.title}: ${sample.description}`);
  const summary = await followRun(app, json, (signal) => app.start(config, { signal }));
  printEnd(summary, json);
  if (summary.state !== 'done') return;
  for (const format of ['safetensors', 'onnx'] as const) {
    const result = await app.export(summary.id, format, {});
    if (json) printJson({ event: 'exportWritten', runId: summary.id, export: result });
    else
      printLine(
        `exported ${result.files.join(', ')} (agrees with the engine, relative error ${result.check.maxRelativeError.toExponential(1)})`,
      );
  }
}
