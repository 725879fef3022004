// TIES on a sample of entries, as mergekit computes it: trim each task vector, elect signs, average those that agree.

/**
 * Trim, elect and merge.
 * @param {number[][]} vectors task vectors, all of one length
 * @param {number[]} weights
 * @param {number} density share of the entries of each vector that is kept
 * @returns {{kept: boolean[][], sign: number[], merged: number[]}}
 */
export function tiesOf(vectors, weights, density) {
  const trimmed = vectors.map((vector) => trimTo(vector, density));
  const weighted = trimmed.map((vector, index) => vector.map((value) => value * weights[index]));
  const sign = weighted[0].map((_, at) =>
    weighted.reduce((sum, vector) => sum + vector[at], 0) >= 0 ? 1 : -1,
  );
  const merged = sign.map((elected, at) => {
    let sum = 0;
    let mass = 0;
    weighted.forEach((vector, index) => {
      if (Math.sign(vector[at]) !== elected) return;
      sum += vector[at];
      mass += weights[index];
    });
    return mass ? sum / mass : 0;
  });
  return { kept: trimmed.map((vector) => vector.map((value) => value !== 0)), sign, merged };
}

/** The vector with all but its largest entries set to zero. */
export function trimTo(vector, density) {
  if (density >= 1) return [...vector];
  const count = density <= 0 ? 0 : Math.max(1, Math.floor(density * vector.length));
  const order = vector
    .map((value, index) => [Math.abs(value), index])
    .toSorted((one, other) => other[0] - one[0]);
  const trimmed = vector.map(() => 0);
  for (const [, index] of order.slice(0, count)) trimmed[index] = vector[index];
  return trimmed;
}
