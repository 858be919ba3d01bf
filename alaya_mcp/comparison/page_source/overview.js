// The summary: a row for each model, with a bar under the figures that can be compared.

/** Return the rows of the summary's table; columns that no model has figures for are left out. */
function overviewRows(models) {
  const summaries = models.map((model) => model.summary);
  const columns = overviewColumns(summaries).filter(({ has }) => summaries.some(has));
  const head = element("tr", {}, element("th", { scope: "col" }, words.model), columns.map(({ title, note }) =>
    element("th", { scope: "col" }, title, note && element("span", { class: "note" }, ` ${note}`))));
  return [
    element("thead", {}, head),
    element("tbody", {}, models.map(({ summary, isBase }) => element("tr", {},
      element("th", { scope: "row" }, named(summary.model), " ", kindView(isBase)),
      columns.map((column) => element("td", {}, column.has(summary) ? column.view(summary) : "–"))))),
  ];
}

function kindView(isBase) {
  return element("span", { class: "kind" }, isBase ? words.base : words.adapter);
}

function overviewColumns(summaries) {
  const shareColumn = (title, all, some, kind) => ({
    title, has: (one) => one[all] > 0, view: (one) => shareView(one[some], one[all], kind),
  });
  const spreadColumn = (title, key, say) => {
    const most = Math.max(...summaries.map((one) => one[key]?.p95 ?? 0));
    return { title, note: words.spread, has: (one) => one[key] != null, view: (one) => spreadView(one[key], most, say) };
  };
  const seconds = (value) => words.seconds(measure(value));
  return [
    { title: words.answers, has: () => true, view: countView },
    shareColumn(words.differs, "compared", "differs"),
    { title: words.expected, has: (one) => one.expected > 0, view: expectedView },
    shareColumn(words.valid, "checked", "valid", "good"),
    spreadColumn(words.first, "first_token_seconds", seconds),
    spreadColumn(words.total, "total_seconds", seconds),
    spreadColumn(words.rate, "tokens_per_second", (value) => figure(value, value < 100 ? 1 : 0)),
    spreadColumn(words.length, "characters", (value) => figure(value)),
  ];
}

function countView({ answers, failures, truncated }) {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const codes = Object.entries(failures).map(([code, count]) => `${plain(code)}: ${figure(count)}`).join(", ");
  return [
    figure(answers),
    failed > 0 && element("span", { class: "bad", title: codes }, ` ${figure(failed)} ${words.failures}`),
    truncated > 0 && element("span", { class: "bad" }, ` ${figure(truncated)} ${words.truncatedOnes}`),
    bar([answers / (answers + failed || 1), "good"], [failed / (answers + failed || 1), "failed"]),
  ];
}

function percent(some, all) {
  return `${figure((100 * some) / all, all > 999 && some < all ? 1 : 0)} %`;
}

function shareView(some, all, kind = "") {
  const of = element("span", { class: "of" }, ` ${words.outOf(figure(some), figure(all))}`);
  return [percent(some, all), of, bar([some / all, kind])];
}

function expectedView({ expected, exact, normalised }) {
  const figures = [[words.exactly, exact], [words.leniently, normalised]];
  return [
    figures.map(([name, count]) => element("span", { class: "pair" },
      percent(count, expected), element("span", { class: "of" }, ` ${name} `))),
    bar([exact / expected, "good"], [Math.max(0, normalised - exact) / expected, "pale"]),
  ];
}

function spreadView({ p50, p95 }, most, say) {
  return [say(p50), element("span", { class: "of" }, ` / ${say(p95)}`),
    bar([p50 / (most || 1), ""], [Math.max(0, p95 - p50) / (most || 1), "pale"])];
}

/** Return a bar of parts, each a share of its width. What it shows is beside it as text. */
function bar(...parts) {
  return element("span", { class: "bar", "aria-hidden": "true" }, parts.map(([share, kind]) => {
    const part = element("span", { class: kind });
    part.style.inlineSize = `${Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10}%`;
    return part;
  }));
}
