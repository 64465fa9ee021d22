// The tokenizer of the text that a run was trained on.

import { getDataset } from '../data/catalogue.ts';
import { knownFingerprint } from '../data/fingerprint.ts';
import { openTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import type { RunFolder } from '../records/runFolder.ts';

/** Undefined where the dataset has none, or is another one than the run's under the same name. */
export async function runTokenizer(home: string, folder: RunFolder): Promise<Tokenizer | undefined> {
  const { data } = await folder.readConfig();
  const summary = await folder.readState();
  const dataset = await getDataset(home, data.dataset);
  const found = (await knownFingerprint(home, dataset)) ?? dataset.fingerprint;
  return summary.fingerprint === found ? await openTokenizer(home, dataset) : undefined;
}
