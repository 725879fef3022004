// TIES on a sample of entries, as mergekit computes it: trim each task vector, elect signs, and average
// those that agree.

/**
 * Trim, elect and merge.
 * @param {readonly (readonly number[])[]} vectors task vectors, all of one length
 * @param {readonly number[]} weights
 * @param {number} density share of the entries of each vector that is kept
 * @returns {{kept: boolean[][], sign: number[], merged: number[]}}
 */
export function tiesOf(vectors, weights, density) {
  const trimmed = vectors.map((vector) => trimTo(vector, density));
  const weighted = trimmed.map((vector, index) => vector.map((value) => value * weights[index]));
  const sign = weighted[0].map((_, entry) =>
    weighted.reduce((sum, vector) => sum + vector[entry], 0) >= 0 ? 1 : -1,
  );
  const merged = sign.map((elected, entry) => {
    let sum = 0;
    let mass = 0;
    weighted.forEach((vector, index) => {
      if (Math.sign(vector[entry]) !== elected) return;
      sum += vector[entry];
      mass += weights[index];
    });
    return mass ? sum / mass : 0;
  });
  return { kept: trimmed.map((vector) => vector.map((value) => value !== 0)), sign, merged };
}

/**
 * The vector with all but its largest entries set to zero.
 * @param {readonly number[]} vector
 * @param {number} density
 */
function trimTo(vector, density) {
  if (density >= 1) return [...vector];
  const count = density <= 0 ? 0 : Math.max(1, Math.floor(density * vector.length));
  const order = vector.map((_, index) => index);
  order.sort((one, other) => Math.abs(vector[other]) - Math.abs(vector[one]));
  const trimmed = vector.map(() => 0);
  for (const index of order.slice(0, count)) trimmed[index] = vector[index];
  return trimmed;
}
