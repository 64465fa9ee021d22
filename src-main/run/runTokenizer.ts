// The tokenizer of the text that a run was trained on.

import { getDataset } from '../data/catalogue.ts';
import { openTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import type { RunFolder } from './runFolder.ts';

/** Undefined where the dataset has none, or is another one than the run's under the same name. */
export async function runTokenizer(home: string, folder: RunFolder): Promise<Tokenizer | undefined> {
  const { data } = await folder.readConfig();
  const summary = await folder.readState();
  const dataset = await getDataset(home, data.dataset);
  return summary.fingerprint === dataset.fingerprint ? await openTokenizer(home, dataset) : undefined;
}
