// The words in which two texts differ. Pure.

const MOST_WORDS = 6_000; // of both texts, without what they begin and end with in common
const MOST_EDITS = 900;
const LEAST_SHARED = 0.15; // of the other text's words: where less is the same, marks say nothing

/**
 * Return what turns one text into another, as [{kind: "same" | "added" | "removed", text, words}], whose parts that are
 * not "removed" make up the other text; undefined if they are too long or too different.
 */
function differences(from, to) {
  const [a, b] = [wordsOf(from), wordsOf(to)];
  let begin = 0;
  while (begin < a.length && begin < b.length && a[begin].key === b[begin].key) begin++;
  let end = 0;
  while (end < a.length - begin && end < b.length - begin && a.at(-1 - end).key === b.at(-1 - end).key) end++;
  const middle = edits(a.slice(begin, a.length - end), b.slice(begin, b.length - end));
  if (!middle) return undefined;
  const same = (word) => ({ kind: "same", word });
  const parts = [...b.slice(0, begin).map(same), ...middle, ...b.slice(b.length - end).map(same)];
  const shared = parts.filter(({ kind, word }) => kind === "same" && word.isWord).length;
  return shared < LEAST_SHARED * b.filter(({ isWord }) => isWord).length ? undefined : joined(parts);
}

/** Return a text's words and marks, each with the white space behind it, which does not count. */
function wordsOf(text) {
  const found = [];
  const segments = Intl.Segmenter
    ? Array.from(new Intl.Segmenter(locale, { granularity: "word" }).segment(text), ({ segment }) => segment)
    : text.split(/\b/);
  for (const segment of segments) {
    const last = found.at(-1);
    if (last && !segment.trim()) last.text += segment;
    else if (last?.key === "") found.splice(-1, 1, wordOf(last.text + segment)); // white space at the beginning
    else found.push(wordOf(segment));
  }
  return found;
}

function wordOf(text) {
  return { key: text.trim(), text, isWord: /[\p{L}\p{N}]/u.test(text) };
}

/** Return the shortest way from one list of words to another (Myers 1986), or undefined if it is too far. */
function edits(a, b) {
  if (a.length + b.length > MOST_WORDS) return undefined;
  const furthest = new Map([[1, 0]]);
  const steps = [];
  for (let edit = 0; edit <= Math.min(MOST_EDITS, a.length + b.length); edit++) {
    steps.push(new Map(furthest));
    for (let diagonal = -edit; diagonal <= edit; diagonal += 2) {
      let x = isDown(furthest, diagonal, edit) ? furthest.get(diagonal + 1) : furthest.get(diagonal - 1) + 1;
      while (x < a.length && x - diagonal < b.length && a[x].key === b[x - diagonal].key) x++;
      furthest.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return wayBack(a, b, steps);
    }
  }
  return undefined;
}

function isDown(furthest, diagonal, edit) {
  return diagonal === -edit || (diagonal !== edit && furthest.get(diagonal - 1) < furthest.get(diagonal + 1));
}

function wayBack(a, b, steps) {
  const way = [];
  let [x, y] = [a.length, b.length];
  for (let edit = steps.length - 1; edit >= 0; edit--) {
    const diagonal = x - y;
    const before = isDown(steps[edit], diagonal, edit) ? diagonal + 1 : diagonal - 1;
    const fromX = steps[edit].get(before);
    const fromY = fromX - before;
    while (x > Math.max(fromX, 0) && y > Math.max(fromY, 0)) way.push({ kind: "same", word: b[--y] }) && x--;
    if (edit > 0) way.push(x === fromX ? { kind: "added", word: b[--y] } : { kind: "removed", word: a[--x] });
  }
  return way.reverse();
}

function joined(parts) {
  const found = [];
  for (const { kind, word } of parts) {
    if (found.at(-1)?.kind !== kind) found.push({ kind, text: "", words: 0 });
    found.at(-1).text += word.text;
    found.at(-1).words += word.isWord ? 1 : 0;
  }
  return found;
}
