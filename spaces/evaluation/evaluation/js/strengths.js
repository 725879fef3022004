// What follows from votes, as strengths.py computes it from a judge's verdicts: Bradley and Terry's
// strengths, win rates, the exact sign test, Cohen's κ.

const ADDED = 0.5; // wins on both sides of every pair that met
const NO_WINNER = -1;
const Z95 = 1.959963984540054;

/**
 * A pair that was judged.
 * @typedef {{first: number, second: number, winner: number, prompt: number}} Met
 *
 * A model by its pairs; `strength` is null where no chain of pairs leads to the first model.
 * @typedef {{wins: number, of: number, low: number, high: number, strength: number | null,
 *   sigma: number | null}} Strength
 */

/**
 * The inverse of a matrix, by Gauss and Jordan.
 * @param {readonly (readonly number[])[]} matrix positive definite
 */
function inverseOf(matrix) {
  const n = matrix.length;
  const rows = matrix.map((row, at) => [...row, ...row.map((_, other) => Number(other === at))]);
  for (let at = 0; at < n; at += 1) {
    const pivot = rows[at][at];
    rows[at] = rows[at].map((value) => value / pivot);
    for (let other = 0; other < n; other += 1) {
      const factor = rows[other][at];
      if (other !== at)
        rows[other] = rows[other].map((value, place) => value - factor * rows[at][place]);
    }
  }
  return rows.map((row) => row.slice(n));
}

/**
 * Wilson's 95 % interval of a share.
 * @param {number} p
 * @param {number} n above 0
 */
function wilsonOf(p, n) {
  const centre = (p + Z95 ** 2 / (2 * n)) / (1 + Z95 ** 2 / n);
  const half = (Z95 * Math.sqrt((p * (1 - p)) / n + Z95 ** 2 / (4 * n ** 2))) / (1 + Z95 ** 2 / n);
  return [p === 0 ? 0 : centre - half, p === 1 ? 1 : centre + half];
}

/** @param {number} value */
function chanceOf(value) {
  return 1 / (1 + Math.exp(-value));
}

/**
 * Win rates and strengths.
 * @param {readonly Met[]} met
 * @param {number} models how many there are
 * @returns {Strength[]}
 */
export function strengthsOf(met, models) {
  const places = Array.from({ length: models }, (_, at) => at);
  const wins = places.map(() => places.map(() => 0));
  for (const { first, second, winner } of met) {
    if (winner === NO_WINNER) {
      wins[first][second] += 0.5;
      wins[second][first] += 0.5;
    } else wins[winner][first + second - winner] += 1;
  }
  const more = wins.map((row, a) => row.map((won, b) => won + (won + wins[b][a] > 0 ? ADDED : 0)));
  const total = more.map((row, a) => row.map((won, b) => won + more[b][a]));
  const joined = new Set([0]);
  places.forEach(() => {
    for (const a of places) if ([...joined].some((b) => total[a][b])) joined.add(a);
  });
  const free = places.filter((at) => at && joined.has(at));
  const known = places.map(() => 0);
  /** @type {number[][]} */
  let inverse = [];
  for (let step = 0; step < 100 && free.length; step += 1) {
    const odds = places.map((a) => places.map((b) => chanceOf(known[a] - known[b])));
    const slope = free.map((a) =>
      places.reduce((sum, b) => sum + more[a][b] - total[a][b] * odds[a][b], 0),
    );
    const curve = (/** @type {number} */ a, /** @type {number} */ b) =>
      total[a][b] * odds[a][b] * (1 - odds[a][b]);
    inverse = inverseOf(
      free.map((a) =>
        free.map((b) => (a === b ? places.reduce((sum, c) => sum + curve(a, c), 0) : -curve(a, b))),
      ),
    );
    const moves = inverse.map((row) =>
      Math.max(
        -2,
        Math.min(
          2,
          row.reduce((sum, value, at) => sum + value * slope[at], 0),
        ),
      ),
    );
    free.forEach((a, at) => (known[a] += moves[at]));
    if (Math.max(...moves.map(Math.abs)) < 1e-10) break;
  }
  const errors = errorsOf(met, known, free, inverse);
  return places.map((at) => {
    const won = wins[at].reduce((sum, one) => sum + one, 0);
    const of = Math.round(won + wins.reduce((sum, row) => sum + row[at], 0));
    const [low, high] = of ? wilsonOf(won / of, of) : [0, 1];
    const strength = joined.has(at) ? known[at] : null;
    const sigma = joined.has(at) ? (at ? errors[free.indexOf(at)] : 0) : null;
    return { wins: won, of, low, high, strength, sigma };
  });
}

/**
 * Standard errors of the free strengths: the larger one of the information matrix's and the
 * sandwich's with a prompt's pairs as a cluster.
 * @param {readonly Met[]} met
 * @param {readonly number[]} known
 * @param {readonly number[]} free
 * @param {readonly (readonly number[])[]} inverse
 */
function errorsOf(met, known, free, inverse) {
  /** @type {Map<number, number[]>} */
  const slopes = new Map();
  for (const { first, second, winner, prompt } of met) {
    const row = slopes.get(prompt) ?? known.map(() => 0);
    slopes.set(prompt, row);
    const won = winner === NO_WINNER ? 0.5 : Number(winner === first);
    const moved = won - chanceOf(known[first] - known[second]);
    row[first] += moved;
    row[second] -= moved;
  }
  const many = slopes.size > 1 ? slopes.size / (slopes.size - 1) : 1;
  return free.map((_, at) => {
    let sum = 0;
    for (const row of slopes.values())
      sum += free.reduce((inner, place, b) => inner + inverse[at][b] * row[place], 0) ** 2;
    return Math.sqrt(Math.max(inverse[at][at], sum * many));
  });
}

/**
 * The exact two-sided sign test.
 * @param {number} won
 * @param {number} lost
 */
export function signP(won, lost) {
  const n = won + lost;
  let chance = 0.5 ** n;
  let sum = 0;
  for (let k = 0; k <= Math.min(won, lost); k += 1) {
    sum += chance;
    chance *= (n - k) / (k + 1);
  }
  return Math.min(1, 2 * sum);
}

/**
 * Cohen's κ with the interval that Wilson's of the agreement gives.
 * @param {readonly (readonly [string, string])[]} pairs what each of two judges said
 */
export function kappaOf(pairs) {
  const n = pairs.length;
  const same = pairs.filter(([a, b]) => a === b).length;
  const count = (/** @type {number} */ side, /** @type {string} */ label) =>
    pairs.filter((pair) => pair[side] === label).length;
  const labels = [...new Set(pairs.flat())];
  const chance =
    labels.reduce((sum, label) => sum + count(0, label) * count(1, label), 0) / Math.max(1, n * n);
  if (!n || chance >= 1) return { same, of: n, kappa: null, low: -1, high: 1 };
  const seen = same / n;
  const kappa = (seen - chance) / (1 - chance);
  const [low, high] = wilsonOf(seen, n).map((end) => (end - chance) / (1 - chance));
  return { same, of: n, kappa, low: Math.max(-1, low), high };
}
