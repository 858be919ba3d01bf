// How far apart two texts are, quick enough to sort by. Pure.

const MOST_PAIRS = 20_000; // of one text
const PAIRS = 4096;
const counts = new Int32Array(PAIRS);

/** Return how far apart two texts are, from 0 to 1, by their pairs of neighbouring characters. */
function distance(one, other) {
  counts.fill(0);
  const [a, b] = [pairsIn(one, 1), pairsIn(other, -1)];
  let unlike = 0;
  for (const count of counts) unlike += Math.abs(count);
  return a + b ? unlike / (a + b) : 0;
}

function pairsIn(text, step) {
  const last = Math.min(text.length, MOST_PAIRS) - 1;
  for (let at = 0; at < last; at++) counts[(text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) % PAIRS] += step;
  return Math.max(last, 0);
}
