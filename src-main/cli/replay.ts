// `sdp replay CASE...`: reference cases through the real engine, a line each with the largest relative error. Several cases write to a folder
// each, named as the case's.

import { basename, join, resolve } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { RunDevice } from '../device/discover.ts';
import { replayCase } from '../replay/replay.ts';
import { replayError } from '../replay/replayErrors.ts';
import { spawnChildDevice } from './home.ts';
import { printJson, printLine } from './output.ts';

export interface ReplayFlags {
  out: string;
  devices: number;
  deviceKind: RunDevice['kind'];
  json?: boolean;
}

export async function replayCases(folders: readonly string[], flags: ReplayFlags): Promise<void> {
  const names = folders.map((folder) => basename(resolve(folder)));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined)
    throw new UserError('usage', `two cases are named ${twice}, which would write to one folder; replay them apart`);
  for (const [index, caseFolder] of folders.entries()) {
    const out = folders.length === 1 ? flags.out : join(flags.out, names[index]!);
    const { devices: numDevices, deviceKind: kind } = flags;
    const result = await replayCase({ caseFolder, out, numDevices, kind, spawnDevice: spawnChildDevice() });
    const error = await replayError(caseFolder, out);
    if (flags.json) printJson({ case: names[index], ...result, error });
    else
      printLine(
        `${names[index]}  ${error ? `${error.largest.toExponential(1)}  ${error.where}` : 'nothing to compare with'}`,
      );
  }
}
