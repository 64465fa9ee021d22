// The tokenizer of the text that a run was trained on.

import { getDataset } from '../data/catalogue.ts';
import { knownFingerprint } from '../data/fingerprint.ts';
import type { Manifest } from '../data/manifest.ts';
import { openTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import type { RunFolder } from '../records/runFolder.ts';

/** Undefined where the dataset has none, or is another one than the run's under the same name. */
export async function runTokenizer(home: string, folder: RunFolder): Promise<Tokenizer | undefined> {
  const dataset = await runDataset(home, folder);
  return dataset && (await openTokenizer(home, dataset));
}

/** The dataset that a run was trained on; undefined where another one has its name. */
export async function runDataset(home: string, folder: RunFolder): Promise<Manifest | undefined> {
  const { data } = await folder.readConfig();
  const summary = await folder.readState();
  const dataset = await getDataset(home, data.dataset);
  const found = (await knownFingerprint(home, dataset)) ?? dataset.fingerprint;
  return summary.fingerprint === found ? dataset : undefined;
}
