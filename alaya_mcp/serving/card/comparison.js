// The view of compare_models' result.

const MOST_ANSWERS = 16;

/** Return the view. `input` has the call's arguments, where the host gave them. */
function comparisonView(data, input) {
  const answers = objectsIn(data.answers).slice(0, MOST_ANSWERS);
  const base = answers.find((each) => each.kind === "base" && textIn(each.content) !== undefined);
  const question = questionIn(input);
  const summary = textIn(data.summary);
  const anyDiffers = base && answers.some((each) => each.differs === true);
  const best = {
    speed: Math.max(...answers.map((each) => timing(each).speed ?? 0)),
    longest: Math.max(...answers.map((each) => timing(each).total ?? 0)),
  };
  return [
    element("header", {},
      element("div", { class: "title" },
        element("h1", {}, words.comparison),
        textIn(data.service_id) && name(data.service_id, { class: "mono quiet" }),
      ),
      anyDiffers && element("button", {
        type: "button", "data-key": "removed", "aria-pressed": String(opened.has("removed")), onclick: showRemoved,
      }, words.showRemoved),
    ),
    question && element("blockquote", { class: "scrolls", role: "group", "aria-label": words.question, dir: "auto" }, question),
    summary && element("p", { class: "summary", lang: "en", dir: "auto" }, summary),
    warningsView(data.warnings),
    element("div", { class: "answers" }, answers.map((each, at) => answerView(each, at, base, best))),
  ];
}

function showRemoved(event) {
  const isShown = card.classList.toggle("shows-removed");
  opened[isShown ? "add" : "delete"]("removed");
  event.currentTarget.setAttribute("aria-pressed", String(isShown));
  resized();
}

/** Return what was asked: the prompt, or the last turn of the user. */
function questionIn(input) {
  const turns = objectsIn(input.messages).filter((turn) => turn.role === "user").map((turn) => textIn(turn.content));
  return textIn(input.prompt) ?? turns.at(-1);
}

function timing(answer) {
  const { tokens_per_second: speed, first_token_seconds: first, total_seconds: total } = objectIn(answer.timing);
  return { speed: numberIn(speed), first: numberIn(first), total: numberIn(total) };
}

function answerView(answer, at, base, best) {
  const model = textIn(answer.model) ?? "?";
  const titled = `answer-${at}`;
  const note = element("p", { class: "quiet note" });
  const reasoning = textIn(answer.reasoning);
  return element("article", { "aria-labelledby": titled },
    element("div", { class: "title" },
      element("h2", { id: titled }, name(model, { class: "mono" })),
      element("span", { class: "chips" }, chipsOf(answer, base)),
    ),
    contentView(answer, base, note, model),
    note,
    textIn(answer.read_on) && element("p", { class: "quiet" }, words.more),
    warningsView(answer.warnings),
    speedView(timing(answer), best),
    lineOf(answer),
    reasoning && folded(`reasoning-${at}`, words.reasoning,
      element("div", { class: "text scrolls", role: "group", "aria-label": words.reasoning, dir: "auto" }, reasoning)),
  );
}

function chipsOf(answer, base) {
  const chip = (text, tone = "neutral") => element("span", { class: `chip ${tone}` }, text);
  const reason = textIn(answer.truncated_reason);
  return [
    chip(answer.kind === "lora" ? words.adapter : words.base),
    answer !== base && answer.differs === true && chip(words.differs, "info"),
    answer !== base && answer.differs === false && chip(words.same),
    answer.truncated === true && chip(reason ? `${words.truncated} (${plain(reason)})` : words.truncated, "warning"),
    answer.valid === false && chip(words.invalid, "danger"),
    answer.valid === true && chip(words.valid, "success"),
  ];
}

function contentView(answer, base, note, model) {
  const content = textIn(answer.content);
  if (content === undefined) return failureView(objectIn(answer.error));
  const text = element("div", {
    class: "text scrolls", role: "group", "aria-label": `${words.answer}: ${plain(model)}`, dir: "auto",
  }, content || words.empty);
  if (base && answer !== base && answer.differs === true) {
    // Later: the answers are there to be read before their words are compared.
    setTimeout(() => text.isConnected && mark(text, note, differences(textIn(base.content), content)));
  }
  return text;
}

function mark(text, note, parts) {
  const counted = (kind) => (parts ?? []).filter((part) => part.kind === kind).reduce((sum, part) => sum + part.words, 0);
  note.textContent = parts ? words.changed(figure(counted("added")), figure(counted("removed"))) : words.tooDifferent;
  const tags = { added: "ins", removed: "del" };
  if (parts) text.replaceChildren(...parts.map(({ kind, text: said }) => (tags[kind] ? element(tags[kind], {}, said) : said)));
  resized();
}

function failureView(error) {
  const message = textIn(error.message);
  return element("div", { class: "failure" },
    element("strong", {}, words.noAnswerOf, textIn(error.code) && [": ", name(textIn(error.code), { class: "mono" })]),
    message && element("p", { lang: "en", dir: "auto" }, message),
    error.retryable === true && element("p", { class: "quiet" }, words.retryable));
}

function speedView({ speed, first, total }, best) {
  const rows = [
    [words.speed, speed, speed !== undefined && figure(speed, 1), best.speed, "rate"],
    [words.first, first, first !== undefined && words.seconds(figure(first, 2)), best.longest, "time"],
    [words.total, total, total !== undefined && words.seconds(figure(total, 2)), best.longest, "time"],
  ].filter(([, value]) => value !== undefined);
  return rows.length > 0 && element("dl", { class: "speed" }, rows.map(([term, value, said, most, kind]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, bar(most ? value / most : 0, kind), element("span", {}, said)))));
}

function lineOf(answer) {
  const tokens = numberIn(objectIn(answer.usage).completion_tokens);
  const reason = textIn(answer.finish_reason);
  const served = textIn(answer.served_by);
  const parts = [
    tokens !== undefined && words.tokens(figure(tokens)),
    reason && words.ends(plain(reason)),
    served && served !== answer.model && [`${words.answeredBy} `, name(served)],
  ].filter(Boolean);
  return parts.length > 0 && element("p", { class: "quiet line" }, parts.map((part, at) => (at ? [" · ", part] : part)).flat(2));
}
