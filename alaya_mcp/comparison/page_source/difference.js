// The words in which two texts differ. Pure.

const MOST_UNITS = 20_000; // of one text: to find the words of more takes longer than a reader waits
const MOST_EDITS = 1_000;
const LEAST_SHARED = 0.3; // of the words of the text with more: where less is the same, marks say nothing

const PIECES = /[\p{L}\p{N}\p{M}_]+(?:['’.,-][\p{L}\p{N}\p{M}_]+)*\s*|\s+|[^\p{L}\p{N}\p{M}_\s]\s*/gu;
const WITHOUT_SPACES = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}]/u;
const A_WORD = /[\p{L}\p{N}]/u;
const segmenter = Intl.Segmenter && new Intl.Segmenter("zh", { granularity: "word" });

/**
 * Return what turns one text into another, as [{kind: "same" | "added" | "removed", text, words}], whose parts that are
 * not "removed" make up the other text; undefined if they are too long or too different. White space does not count.
 */
function differences(from, to) {
  if (from.length > MOST_UNITS || to.length > MOST_UNITS) return undefined;
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
  const [before, after] = [a, b].map((words) => words.filter(({ isWord }) => isWord).length);
  return shared < LEAST_SHARED * Math.max(before, after) ? undefined : joined(parts);
}

/** Return a text's words and marks, each with the white space behind it. */
function wordsOf(text) {
  const found = [];
  for (const [piece] of text.matchAll(PIECES)) {
    if (!WITHOUT_SPACES.test(piece)) found.push(wordOf(piece));
    else for (const word of segmentsOf(piece)) found.push(wordOf(word));
  }
  return found;
}

function segmentsOf(text) {
  return segmenter ? Array.from(segmenter.segment(text), ({ segment }) => segment) : Array.from(text);
}

function wordOf(text) {
  return { key: text.trim(), text, isWord: A_WORD.test(text) };
}

/** Return the shortest way from one list of words to another (Myers 1986), or undefined if it is too far. */
function edits(a, b) {
  const most = Math.min(MOST_EDITS, a.length + b.length);
  const furthest = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const steps = [];
  for (let edit = 0; edit <= most; edit++) {
    steps.push(furthest.slice(middle - edit - 1, middle + edit + 2)); // what the way back needs of it
    for (let diagonal = -edit; diagonal <= edit; diagonal += 2) {
      const [below, above] = [furthest[middle + diagonal - 1], furthest[middle + diagonal + 1]];
      let x = isDown(below, above, diagonal, edit) ? above : below + 1;
      while (x < a.length && x - diagonal < b.length && a[x].key === b[x - diagonal].key) x++;
      furthest[middle + diagonal] = x;
      if (x >= a.length && x - diagonal >= b.length) return wayBack(a, b, steps);
    }
  }
  return undefined;
}

function isDown(below, above, diagonal, edit) {
  return diagonal === -edit || (diagonal !== edit && below < above);
}

function wayBack(a, b, steps) {
  const way = [];
  let [x, y] = [a.length, b.length];
  for (let edit = steps.length - 1; edit >= 0; edit--) {
    const [step, middle, diagonal] = [steps[edit], edit + 1, x - y];
    const [below, above] = [step[middle + diagonal - 1], step[middle + diagonal + 1]];
    const isAdded = isDown(below, above, diagonal, edit);
    const fromX = isAdded ? above : below;
    const fromY = fromX - (isAdded ? diagonal + 1 : diagonal - 1);
    while (x > Math.max(fromX, 0) && y > Math.max(fromY, 0)) {
      x--;
      way.push({ kind: "same", word: b[--y] });
    }
    if (edit > 0) way.push(isAdded ? { kind: "added", word: b[--y] } : { kind: "removed", word: a[--x] });
  }
  return way.reverse();
}

/** Join neighbours of one kind; of a change, what went away comes before what came. */
function joined(parts) {
  const found = [];
  let group = [];
  const end = () => {
    for (const kind of ["same", "removed", "added"]) {
      const alike = group.filter((part) => part.kind === kind);
      if (alike.length) found.push(partOf(kind, alike));
    }
    group = [];
  };
  for (const part of parts) {
    if (group.length && (part.kind === "same") !== (group[0].kind === "same")) end();
    group.push(part);
  }
  end();
  return found;
}

function partOf(kind, parts) {
  const words = parts.filter(({ word }) => word.isWord).length;
  return { kind, text: parts.map(({ word }) => word.text).join(""), words };
}
