// The page: what is shown, the controls, and the keys.

const data = readAnswers();
const filters = { checks: new Set(), longer: 0, text: undefined };
const open = new Set(); // rows of which all is shown
let shown = data.models;
let order = "number";
let listed = data.rows;
let active = { row: data.rows[0], column: 0 };

const scroller = byId("scroller");
const grid = byId("grid");
const list = new Rows(scroller, byId("rows"), rowView, () => {
  markSoon();
  highlight();
});

function rowView(row, index) {
  const view = { isOpen: open.has(row), toggle: () => toggle(row) };
  const cells = [
    element("div", { role: "rowheader", class: "cell question" }, questionView(row, view)),
    ...shown.map((model) => answerCell(row, model, view)),
  ];
  cells.forEach((cell, at) => cell.setAttribute("aria-colindex", at + 1));
  const made = element("div", { role: "row", class: "row", "aria-rowindex": index + 2 }, cells);
  setStops(made, row);
  return made;
}

function answerCell(row, model, view) {
  const answer = row.answers[model.at];
  const cell = element("div", { role: "gridcell", class: "cell" }, answerView(answer, view));
  if (answer?.differs) unmarked.add({ cell, base: row.answers[0], answer });
  return cell;
}

/** Let Tab stop at the active cell, and at the links and buttons of its row alone: those of all rows are too many. */
function setStops(element, row) {
  const isActive = row === active.row;
  element.classList.toggle("active", isActive);
  for (const each of element.querySelectorAll("a, button, summary")) each.tabIndex = isActive ? 0 : -1;
  [...element.children].forEach((cell, at) => (cell.tabIndex = isActive && at === active.column ? 0 : -1));
}

/** Make a cell the active one, whose row stays in the document. */
function activate(row, column) {
  const changed = new Set([active.row, row]);
  active = { row, column: Math.min(Math.max(column, 0), shown.length) };
  list.kept = row;
  for (const each of changed) if (list.elements.has(each)) setStops(list.elements.get(each), each);
}

// Differences are marked after the rows are shown, some milliseconds at a time, so that scrolling stays smooth.

const unmarked = new Set();
let isMarking = false;

function markSoon() {
  if (isMarking || !unmarked.size) return;
  isMarking = true;
  setTimeout(() => {
    isMarking = false;
    const end = performance.now() + 8;
    for (const each of unmarked) {
      unmarked.delete(each);
      if (each.cell.isConnected) mark(each.cell, each.base, each.answer, byId("removed").checked);
      if (performance.now() > end) break;
    }
    highlight();
    markSoon();
  });
}

/** Highlight what is searched for in the rows in view, where the browser can without a change to the document. */
function highlight() {
  if (!globalThis.Highlight) return;
  const found = new Highlight();
  const finder = finderOf(byId("text").value.trim(), "giu");
  const texts = document.createTreeWalker(byId("rows"), NodeFilter.SHOW_TEXT);
  while (finder && found.size < 2_000 && texts.nextNode()) {
    const node = texts.currentNode;
    for (const { index, 0: text } of node.data.matchAll(finder)) {
      found.add(new StaticRange({ startContainer: node, startOffset: index, endContainer: node, endOffset: index + text.length }));
    }
  }
  CSS.highlights.set("found", found);
}

/** List the rows that pass the filters, in their order. */
function listRows() {
  listed = inOrder(data.rows.filter((row) => isWanted(row, filters, shown)), order, shown);
  if (!listed.includes(active.row)) active = { row: listed[0], column: 0 };
  active.column = Math.min(active.column, shown.length);
  list.kept = active.row;
  unmarked.clear();
  byId("found").textContent = words.found(figure(listed.length), figure(data.rows.length));
  byId("nothing").hidden = listed.length > 0;
  grid.setAttribute("aria-rowcount", listed.length + 1);
  list.show(listed);
}

/** List them, from the first on. */
function listAgain() {
  active.row = undefined;
  listRows();
  if (scroller.scrollTop > topOfRows()) scroller.scrollTop = topOfRows();
  list.update();
}

/** Return the scroll position at which the first row is right under what sticks to the top. */
function topOfRows() {
  const { top } = grid.getBoundingClientRect();
  return top - scroller.getBoundingClientRect().top + scroller.scrollTop - byId("tools").offsetHeight;
}

/** Make all that depends on the language or on which models are shown. */
function draw() {
  const prompts = new Set(data.rows.map(({ question }) => question)).size;
  const answers = data.models.reduce((sum, { summary }) => sum + summary.answers, 0);
  byId("size").textContent = words.size(...[prompts, data.models.length, answers].map((each) => figure(each)));
  byId("models").replaceChildren(...overviewRows(data.models));
  byId("columns").querySelector("summary").textContent = words.shownModels(figure(shown.length), figure(data.models.length));
  byId("names").replaceChildren(
    element("div", { role: "columnheader", class: "cell question", "aria-colindex": 1 }, words.prompt),
    ...shown.map(({ name, isBase }, at) => element("div",
      { role: "columnheader", class: "cell", "aria-colindex": at + 2, title: plain(name) }, named(name), " ", kindView(isBase))));
  grid.setAttribute("aria-colcount", shown.length + 1);
  grid.style.setProperty("--models", shown.length);
  drawChecks();
  drawKeys();
}

/** Make the filters' buttons, with how many rows each leaves; one that no row passes is not shown. */
function drawChecks() {
  const count = (name) => data.rows.filter((row) => answersOf(row, shown).some(CHECKS[name])).length;
  byId("checks").replaceChildren(...Object.keys(CHECKS)
    .map((name) => [name, count(name)])
    .filter(([name, rows]) => rows > 0 || filters.checks.has(name))
    .map(([name, rows]) => element("button",
      { type: "button", "aria-pressed": String(filters.checks.has(name)), onclick: (event) => check(event, name) },
      words[name], element("span", { class: "count" }, ` ${figure(rows)}`))));
}

function check({ currentTarget }, name) {
  if (!filters.checks.delete(name)) filters.checks.add(name);
  currentTarget.setAttribute("aria-pressed", String(filters.checks.has(name)));
  listAgain();
}

function drawMenu() {
  const boxes = data.models.map((model) => element("input", { type: "checkbox", checked: true, onchange: choose }));
  const all = element("button", { type: "button", onclick: () => choose(boxes.forEach((box) => (box.checked = true))) }, words.allModels);
  byId("columns").hidden = data.models.length < 2;
  byId("columns").querySelector(".menu").replaceChildren(all,
    ...data.models.map((model, at) => element("label", {}, boxes[at], " ", named(model.name))));
  data.models.forEach((model, at) => (boxes[at].checked = shown.includes(model)));

  function choose() {
    shown = data.models.filter((model, at) => boxes[at].checked);
    draw();
    listRows();
  }
}

function clearFilters() {
  filters.checks.clear();
  byId("text").value = byId("longer").value = "";
  [filters.text, filters.longer] = [undefined, 0];
  drawChecks();
  listAgain();
}

/** Show all of a row, or less of it again. */
function toggle(row) {
  const hadFocus = grid.contains(document.activeElement);
  if (!open.delete(row)) open.add(row);
  activate(row, active.column);
  list.renew(row);
  list.reveal(row);
  if (hadFocus) focusCell();
}

/** Move to a cell. */
function move(row, column = active.column) {
  if (!row) return;
  activate(row, column);
  list.reveal(row);
  focusCell();
}

function focusCell() {
  const cell = list.elements.get(active.row).children[active.column];
  cell.focus({ preventScroll: true });
  revealAcross(cell);
}

/** Scroll sideways until a cell is in view, beside the column of prompts, which stays. */
function revealAcross(cell) {
  if (!cell.previousElementSibling) return;
  const { left, right } = cell.getBoundingClientRect();
  const begin = cell.parentElement.firstElementChild.getBoundingClientRect().right;
  const end = scroller.getBoundingClientRect().left + scroller.clientWidth;
  if (right > end) scroller.scrollLeft += Math.min(right - end, left - begin);
  if (left < begin) scroller.scrollLeft -= begin - left;
}

/** Move by so many rows; from outside of the rows, to the first one in view. */
function step(by) {
  if (!grid.contains(document.activeElement)) return move(list.first());
  const at = listed.indexOf(active.row);
  move(listed[Math.min(Math.max(at + by, 0), listed.length - 1)]);
}

const stepPage = (direction) => move(list.itemBelow(active.row, direction * 0.8 * (scroller.clientHeight - list.covered())));

const KEYS = new Map([
  ["j", () => step(1)],
  ["k", () => step(-1)],
  ["e", () => active.row && toggle(active.row)],
  ["/", () => byId("text").select()],
  ["f", () => (byId("checks").querySelector("button") ?? byId("longer")).focus()],
  ["?", () => byId("keys").showModal()],
]);
const KEYS_IN_CELL = new Map([
  ["ArrowDown", KEYS.get("j")],
  ["ArrowUp", KEYS.get("k")],
  ["Enter", KEYS.get("e")],
  ["ArrowRight", () => move(active.row, active.column + 1)],
  ["ArrowLeft", () => move(active.row, active.column - 1)],
  ["PageDown", () => stepPage(1)],
  ["PageUp", () => stepPage(-1)],
  ["Home", (event) => (event.ctrlKey ? move(listed[0]) : move(active.row, 0))],
  ["End", (event) => (event.ctrlKey ? move(listed.at(-1)) : move(active.row, shown.length))],
]);

function onKey(event) {
  const { key, target } = event;
  if (event.defaultPrevented || event.altKey || event.metaKey || byId("keys").open) return;
  if (event.ctrlKey && key !== "Home" && key !== "End") return;
  if (key === "Escape") return leave(event);
  if (target.matches("input:not([type=checkbox]), select")) return;
  const act = (target.matches(".row > .cell") && KEYS_IN_CELL.get(key)) || KEYS.get(key);
  if (!act) return;
  event.preventDefault();
  act(event);
}

function leave(event) {
  event.preventDefault(); // which would empty the search
  if (byId("columns").open) {
    byId("columns").open = false;
    byId("columns").querySelector("summary").focus();
  } else if (event.target.closest("#tools, #grid")) {
    event.target.blur();
    move(active.row);
  }
}

function drawKeys() {
  const keys = [["j k ↓ ↑", "keyNext"], ["← →", "keyAcross"], ["Ctrl+Home Ctrl+End", "keyEnds"], ["e Enter", "keyExpand"],
    ["/", "keySearch"], ["f", "keyFilters"], ["Esc", "keyLeave"], ["?", "keyHelp"]];
  byId("keys-list").replaceChildren(...keys.map(([names, word]) => element("div", {},
    element("dt", {}, names.split(" ").map((name) => element("kbd", {}, name))), element("dd", {}, words[word]))));
}

/** Go to the row that the address names: by its id, or its id, a slash and the repeat. */
function follow() {
  const row = addressed(location.hash.slice(1));
  if (!row) return;
  if (!listed.includes(row)) clearFilters();
  move(row, 0);
}

function addressed(hash) {
  if (!hash) return undefined;
  let wanted = hash;
  try {
    wanted = decodeURIComponent(hash);
  } catch {
    // A percent sign that begins no character is taken as it is.
  }
  const hasAddress = ({ question, repeat }) => question.id === wanted || `${question.id}/${repeat}` === wanted;
  return data.rows.find(hasAddress);
}

function drawAll(language) {
  speak(language);
  draw();
  drawMenu();
  listRows();
}

function begin() {
  const repeated = new Set(data.rows.filter(({ repeat }) => repeat > 1).map(({ question }) => question));
  for (const row of data.rows) row.isRepeated = repeated.has(row.question);
  const language = byId("language");
  language.value = /^zh\b/i.test(navigator.language) ? "zh" : "en";
  language.addEventListener("change", () => drawAll(language.value));
  byId("theme").addEventListener("change", ({ target }) => (document.documentElement.dataset.theme = target.value));
  byId("help").addEventListener("click", KEYS.get("?"));
  byId("clear").addEventListener("click", clearFilters);
  byId("removed").addEventListener("change", listRows);
  byId("order").addEventListener("change", ({ target }) => listAgain((order = target.value)));
  byId("longer").addEventListener("input", ({ target }) => listAgain((filters.longer = Number(target.value))));
  byId("text").addEventListener("input", ({ target }) => listAgain((filters.text = finderOf(target.value.trim()))));
  grid.addEventListener("focusin", ({ target }) => {
    const cell = target.closest(".cell");
    const row = target.closest(".row")?.item;
    if (row) activate(row, [...cell.parentElement.children].indexOf(cell));
  });
  document.addEventListener("keydown", onKey);
  for (const type of ["pointerdown", "focusin"]) {
    document.addEventListener(type, ({ target }) => {
      if (!byId("columns").contains(target)) byId("columns").open = false;
    });
  }
  let isWaiting = false;
  scroller.addEventListener("scroll", () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      list.update();
    });
  });
  new ResizeObserver(() => scroller.style.setProperty("--tools", `${byId("tools").offsetHeight}px`)).observe(byId("tools"));
  new ResizeObserver(() => list.update()).observe(scroller);
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => list.print(500));
  addEventListener("afterprint", () => list.print(undefined));
  drawAll(language.value);
  follow();
}

begin();
