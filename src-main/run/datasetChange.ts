// Whether the dataset of a run is still what the run was trained on: by its bytes, whatever its manifest says.

import { getDataset } from '../data/catalogue.ts';
import { contentFingerprint } from '../data/fingerprint.ts';
import type { RunFolder } from '../records/runFolder.ts';

/** A sentence for those who evaluate, export or try a checkpoint; undefined where nothing has changed. */
export async function datasetWarning(home: string, folder: RunFolder): Promise<string | undefined> {
  const { data } = await folder.readConfig();
  const { fingerprint: trainedOn } = await folder.readState();
  const dataset = await getDataset(home, data.dataset);
  const found = await contentFingerprint(home, dataset);
  if (trainedOn === '' || found === trainedOn) return undefined;
  return `dataset ${dataset.name} has changed since run ${folder.id} was trained: these are other samples`;
}
