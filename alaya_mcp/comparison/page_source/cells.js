// The cells of a row: its question, and an answer for each model.

const SHORT = 640; // units of text that are shown at first; a wide character counts as two
const SHORT_LINES = 14;
const BLOCK = MOST_UNITS; // of one element: some texts take a browser time that grows with the square of their length
const MORE = 10; // blocks that "more" adds
const WIDE = /[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]/;

/** Return how many units of a text are shown while its row is not open; all of it where little would be left out. */
function shortLength(text) {
  let [units, lines, at] = [0, 1, 0];
  for (; at < text.length && units < SHORT && lines <= SHORT_LINES; at++) {
    if (text[at] === "\n") lines++;
    units += WIDE.test(text[at]) ? 2 : 1;
  }
  return text.length - at < at / 4 && lines <= SHORT_LINES ? text.length : at;
}

/** Return a text, or what is shown of it at first, with a button for the rest. `view` is {isOpen, toggle}. */
function textView(text, view, kind = "text") {
  const short = shortLength(text);
  if (short >= text.length) return [blockOf(text, kind)];
  if (view.isOpen) return blocksOf(text, 0, 1, view, kind);
  return [blockOf(firstOf(text, short), kind), linkButton(words.all(figure(lengthOf(text))), view.toggle)];
}

function blockOf(text, kind) {
  return element("div", { class: kind, dir: "auto" }, text);
}

/** Return some blocks of a text, from a place on, and a button for more, or for less at the end. */
function blocksOf(text, begin, count, view, kind) {
  const blocks = [];
  let at = begin;
  while (at < text.length && blocks.length < count) {
    const end = blockEnd(text, at);
    blocks.push(blockOf(text.slice(at, end), kind));
    at = end;
  }
  const more = ({ currentTarget }) => currentTarget.replaceWith(...blocksOf(text, at, MORE, view, kind));
  return [...blocks, at < text.length ? linkButton(words.more(figure(text.length - at)), more) : linkButton(words.fewer, view.toggle)];
}

/** Return where a block ends, at the end of a line if there is one. */
function blockEnd(text, begin) {
  if (text.length - begin <= BLOCK) return text.length;
  const line = text.lastIndexOf("\n", begin + BLOCK - 1) + 1;
  return line > begin + BLOCK / 2 ? line : begin + firstOf(text.slice(begin, begin + BLOCK), BLOCK).length;
}

function linkButton(title, act) {
  return element("button", { type: "button", class: "link", onclick: act }, title);
}

/** Return what a row's first cell has: what was asked, and what the answer should be. */
function questionView({ question, repeat, isRepeated }, view) {
  const address = isRepeated ? `${question.id}/${repeat}` : question.id;
  const number = `#${figure(question.number)}`;
  const link = { class: "number", href: `#${encoded(address)}`, "aria-label": words.linkTo(plain(address)) };
  return [
    element("div", { class: "facts" },
      element("a", link, number),
      question.id !== String(question.number) && element("span", { class: "id" }, named(question.id)),
      isRepeated && element("span", {}, words.repeat(figure(repeat)))),
    question.system !== undefined && folded(words.system, () => textView(question.system, view)),
    question.prompt !== undefined && textView(question.prompt, view),
    (question.messages ?? []).map((message) => messageView(message, view)),
    question.expected !== undefined && element("div", { class: "wanted" },
      element("span", { class: "label" }, words.wanted), textView(question.expected, view)),
    question.columns && folded(words.further(Object.keys(question.columns).length), () => [columnsView(question.columns, view)]),
  ];
}

/** Return a text for an address; half a character, which no address can have, as a mark. */
function encoded(text) {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

function messageView({ role, text }, view) {
  const name = Object.hasOwn(words.role, role) ? words.role[role] : named(role);
  return element("div", { class: "message" }, element("span", { class: "label" }, name), textView(text, view));
}

function columnsView(columns, view) {
  return element("dl", {}, Object.entries(columns).map(([name, text]) =>
    element("div", {}, element("dt", {}, named(name)), element("dd", {}, textView(text, view)))));
}

/** Return what the cell of an answer has. */
function answerView(answer, view) {
  if (!answer) return [element("p", { class: "quiet" }, words.notAsked)];
  if (answer.error) return [errorView(answer.error, view)];
  return [
    answer.reasoning && folded(words.reasoning, () => textView(answer.reasoning, view, "text quiet")),
    answer.content ? textView(answer.content, view, "text answer") : element("p", { class: "quiet" }, words.empty),
    element("div", { class: "chips" }, chipsOf(answer)),
    (answer.warnings ?? []).map((text) => element("p", { class: "note", dir: "auto" }, text)),
    element("div", { class: "facts" }, factsOf(answer).map((fact) => element("span", {}, fact))),
  ];
}

function errorView({ code, message, retryable }, view) {
  return element("div", { class: "error" },
    element("strong", {}, named(code)), textView(message, view), retryable && element("p", { class: "quiet" }, words.retryable));
}

function chipsOf({ differs, match, valid, truncated, servedBy }) {
  return [
    differs === false && chip(words.same, "neutral"),
    differs === true && chip(words.other, "neutral differs"),
    match && chip(words[match], match === "none" ? "warning" : "success"),
    valid === true && chip(words.isValid, "success"),
    valid === false && chip(words.isInvalid, "warning", words.isInvalidWhy),
    truncated !== undefined && chip(words.cut(plain(truncated)), "warning"),
    servedBy !== undefined && chip(words.answeredBy(plain(servedBy)), "warning"),
  ];
}

function factsOf({ finish, tokens, rate, first, total }) {
  return [
    finish !== undefined && named(finish),
    tokens !== undefined && words.tokens(figure(tokens)),
    rate !== undefined && words.speed(figure(rate, rate < 100 ? 1 : 0)),
    first !== undefined && words.firstAfter(measure(first)),
    total !== undefined && words.after(measure(total)),
  ].filter(Boolean);
}

/** Mark the words in which an answer's cell differs from the base's answer. */
function mark(cell, base, answer, showsRemoved) {
  const text = cell.querySelector(":scope > .answer");
  const parts = differences(base.content, answer.content);
  const changes = (kind) => parts.reduce((sum, part) => sum + (part.kind === kind ? part.words : 0), 0);
  const differing = cell.querySelector(".differs");
  if (!parts) {
    differing.textContent = words.otherAll;
    differing.title = words.otherAllWhy;
  } else if (parts.every(({ kind }) => kind === "same")) {
    differing.textContent = words.otherSpace;
  } else {
    const [added, gone] = [figure(changes("added")), figure(changes("removed"))];
    differing.append(element("span", { class: "count" }, ` +${added} −${gone}`));
    differing.title = words.changed(added, gone);
    text?.replaceChildren(...markedParts(parts, text.textContent.length, showsRemoved));
  }
}

/** Return the parts of a text up to a length as nodes. */
function markedParts(parts, length, showsRemoved) {
  const nodes = [];
  let left = length;
  parts.forEach(({ kind, text }, at) => {
    if (left <= 0) return;
    if (kind === "removed") {
      if (showsRemoved) nodes.push(...markedText("del", text));
      // While they are not shown: a thin line where nothing came in their place.
      else if (parts[at + 1]?.kind !== "added") nodes.push(element("del", { class: "gone", title: firstOf(text, 200) }));
      return;
    }
    const shown = firstOf(text, left);
    nodes.push(...(kind === "added" ? markedText("ins", shown) : [shown]));
    left -= text.length;
  });
  return nodes;
}

/** Return a marked text, without a mark on the white space at its end. */
function markedText(name, text) {
  const marked = text.trimEnd();
  return [element(name, {}, marked), text.slice(marked.length)];
}
