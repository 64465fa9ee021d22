// One of many, by logits: the likeliest at temperature 0, else drawn from the softmax of logits over the temperature.

export function sampleToken(logits: ArrayLike<number>, temperature: number, draw: number): number {
  let likeliest = 0;
  for (let index = 1; index < logits.length; index++) if (logits[index]! > logits[likeliest]!) likeliest = index;
  if (temperature === 0) return likeliest;
  const weights = Array.from(logits, (logit) => Math.exp((logit - logits[likeliest]!) / temperature));
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (let index = 0; index < weights.length; index++) {
    left -= weights[index]!;
    if (left < 0) return index;
  }
  return likeliest;
}
