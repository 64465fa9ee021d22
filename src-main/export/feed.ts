/** Images [batch,C,H,W], pixels [batch,H,W,C] or tokens [batch,T], row-major. */
export interface Feed {
  data: Float32Array | Uint8Array | BigInt64Array;
  shape: readonly number[];
}

/** Logits of labels, row-major, and how many a label has. */
export interface Logits {
  data: Float32Array;
  classes: number;
}

/** Of all that `run` gives for a feed, every so-many-th label's; texts go one after the other, since logits of many are large. */
export async function everyLogits(
  { data, shape: [samples, ...sample] }: Feed,
  every: number,
  run: (feed: Feed) => Promise<Logits>,
): Promise<Float32Array> {
  const atOnce = data instanceof BigInt64Array ? 1 : samples!;
  const size = sample.reduce((a, b) => a * b, 1);
  const kept: Float32Array[] = [];
  let label = 0;
  for (let from = 0; from < samples!; from += atOnce) {
    const logits = await run({ data: data.subarray(from * size, (from + atOnce) * size), shape: [atOnce, ...sample] });
    for (let at = 0; at < logits.data.length; at += logits.classes, label += 1)
      if (label % every === 0) kept.push(logits.data.slice(at, at + logits.classes));
  }
  const all = new Float32Array(kept.reduce((sum, { length }) => sum + length, 0));
  kept.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
