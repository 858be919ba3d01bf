// The answers in the page's data blocks, as rows; which rows are shown, and in which order.

/**
 * Return {models, rows}. A model is {name, isBase, at, summary}; a row is {question, repeat, answers}, with an answer, or
 * none, for each model. A block is removed when it is read, so that its text is in memory once.
 */
function readAnswers() {
  const questions = new Map();
  const rows = new Map();
  const { names = [], summaries = [] } = JSON.parse(byId("summaries").textContent);
  const models = summaries.map((summary, at) => ({ name: summary.model, isBase: summary.kind === "base", at, summary }));
  const places = names.map((name) => models.findIndex((model) => model.name === name));
  for (const block of document.querySelectorAll('script[type="application/x-ndjson"]')) {
    for (const record of JSON.parse(`[${block.textContent.trim().replaceAll("\n", ",")}]`)) {
      if (record.of === undefined) questions.set(record.question, record);
      else addAnswer(rows, questions.get(record.of), places[record.model], record);
    }
    block.remove();
  }
  const found = [...rows.values()].sort(byNumber);
  if (models[0]?.isBase) for (const row of found) compareWithBase(row);
  return { models, rows: found };
}

function addAnswer(rows, question, place, answer) {
  const key = `${question.question}/${answer.repeat ?? 1}`;
  if (!rows.has(key)) rows.set(key, { question, repeat: answer.repeat ?? 1, answers: [] });
  answer.content ??= "";
  rows.get(key).answers[place] = answer;
}

function byNumber(one, other) {
  const [a, b] = [one.question, other.question];
  return a.number - b.number || a.question - b.question || one.repeat - other.repeat;
}

/** Note in each adapter's answer whether it differs from the base model's; not where one of them is missing or cut off. */
function compareWithBase({ answers: [base, ...others] }) {
  if (!isWhole(base)) return;
  const text = stripped(base.content);
  for (const answer of others) if (isWhole(answer)) answer.differs = stripped(answer.content) !== text;
}

/** Return whether there is an answer that is as long as it was to be. */
function isWhole(answer) {
  return answer !== undefined && !answer.error && (answer.truncated === undefined || answer.truncated === "max_tokens");
}

const CHECKS = {
  differing: (answer) => answer.differs === true,
  failed: (answer) => answer.error !== undefined || answer.flaw !== undefined,
  truncated: (answer) => answer.truncated !== undefined,
  misses: (answer) => answer.match === "none" || answer.valid === false,
};

function answersOf(row, models) {
  return models.map(({ at }) => row.answers[at]).filter((answer) => answer !== undefined);
}

/** Return whether a row passes all filters: each check by an answer of one of these models. */
function isWanted(row, { checks, longer, text }, models) {
  const answers = answersOf(row, models);
  return (
    [...checks].every((name) => answers.some(CHECKS[name])) &&
    (!longer || answers.some(({ content }) => content.length > longer && lengthOf(content) > longer)) &&
    (!text || textsOf(row.question).some((each) => text.test(each)) || answers.some((answer) => saysIn(answer, text)))
  );
}

function textsOf({ id, prompt, messages, system, expected, columns }) {
  const turns = (messages ?? []).map((message) => message.text);
  return [id, prompt, system, expected, ...turns, ...Object.values(columns ?? {})].filter((each) => each !== undefined);
}

function saysIn({ content, reasoning, error }, text) {
  return text.test(content) || text.test(reasoning ?? "") || (error !== undefined && text.test(`${error.code} ${error.message}`));
}

/** Return what finds a text without regard to case; undefined for no text. */
function finderOf(text, flags = "iu") {
  return text ? new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), flags) : undefined;
}

const ORDERS = {
  length: (answer) => (answer.error ? -1 : lengthOf(answer.content)),
  slowest: (answer) => answer.total ?? -1,
  difference: (answer, row) => (answer.differs ? distance(stripped(row.answers[0].content), stripped(answer.content)) : -1),
};

/** Return rows in an order: by number as they are, else those with the largest quantity in one of the models first. */
function inOrder(rows, order, models) {
  const quantity = ORDERS[order];
  if (!quantity) return rows;
  const keyed = rows.map((row) => [Math.max(-1, ...answersOf(row, models).map((answer) => quantity(answer, row))), row]);
  return keyed.sort((one, other) => other[0] - one[0]).map(([, row]) => row);
}
