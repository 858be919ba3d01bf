// What the page says itself, in English and Chinese. Errors and warnings are in the answers, as they were written.

const ENGLISH = {
  language: "Language", theme: "Colours", themeAuto: "Auto", themeLight: "Light", themeDark: "Dark",
  size: (prompts, models, answers) => `${prompts} prompts, ${models} models, ${answers} answers`,
  summary: "Summary", model: "Model", base: "base", adapter: "adapter", models: "Models",
  answers: "Answers", failures: "failed", truncatedOnes: "truncated", first: "First token", total: "Total",
  rate: "Tokens/s", length: "Length", differs: "Differs", expected: "As expected", valid: "Valid",
  spread: "p50 / p95", seconds: (value) => `${value} s`, outOf: (some, all) => `${some} of ${all}`,
  exactly: "exact", leniently: "normalised",
  filters: "Filters", show: "Show only rows", search: "Search in prompts and answers", searchHint: "Search",
  differing: "Differs", failed: "Failed", truncated: "Truncated", misses: "Wrong or invalid",
  longer: "Longer than", order: "Sort by", byNumber: "number", byLength: "longest", bySlowest: "slowest",
  byDifference: "most different", removed: "Removed words",
  shownModels: (some, all) => (some === all ? `All ${all} models` : `${some} of ${all} models`), allModels: "All",
  found: (some, all) => (some === all ? `${all} rows` : `${some} of ${all} rows`),
  nothing: "No row fits these filters.", clear: "Clear filters",
  prompt: "Prompt", linkTo: (id) => `Link to ${id}`, repeat: (one) => `repeat ${one}`, system: "System",
  role: { system: "System", user: "User", assistant: "Assistant", tool: "Tool", developer: "Developer" },
  wanted: "Expected", further: (count) => (count === 1 ? "1 column" : `${count} columns`),
  all: (count) => `Show all ${count} characters`, more: (count) => `Show more (${count} characters left)`,
  fewer: "Show less", reasoning: "Thinking",
  notAsked: "Not asked", empty: "(empty)", retryable: "trying again can help",
  same: "same as base", other: "differs", otherSpace: "differs in white space only", otherAll: "differs, not marked",
  otherAllWhy: "Too different or too long to mark word by word",
  changed: (added, gone) => `${added} words added, ${gone} removed, to the base's answer`,
  exact: "as expected", normalised: "as expected, normalised", none: "not as expected",
  isValid: "valid", isInvalid: "invalid", isInvalidWhy: "Does not follow the schema",
  cut: (reason) => `truncated: ${reason}`, answeredBy: (name) => `answered by ${name}`,
  tokens: (count) => `${count} tokens`, speed: (value) => `${value} tokens/s`,
  firstAfter: (value) => `first ${value} s`, after: (value) => `${value} s`,
  keys: "Keys", close: "Close",
  keyNext: "Next or previous row", keyAcross: "Next or previous model", keyEnds: "First or last row",
  keyExpand: "Show all of a row, or less", keySearch: "Search", keyFilters: "Filters", keyLeave: "Leave a field",
  keyHelp: "This list",
};

const CHINESE = {
  language: "语言", theme: "配色", themeAuto: "自动", themeLight: "浅色", themeDark: "深色",
  size: (prompts, models, answers) => `${prompts} 个提示词，${models} 个模型，${answers} 个回答`,
  summary: "汇总", model: "模型", base: "基座", adapter: "适配器", models: "模型",
  answers: "回答", failures: "失败", truncatedOnes: "截断", first: "首个 token", total: "总耗时",
  rate: "Token/秒", length: "长度", differs: "与基座不同", expected: "符合预期", valid: "符合 schema",
  spread: "p50 / p95", seconds: (value) => `${value} 秒`, outOf: (some, all) => `${some} / ${all}`,
  exactly: "完全一致", leniently: "规范化后",
  filters: "筛选", show: "只显示", search: "在提示词和回答中搜索", searchHint: "搜索",
  differing: "有差异", failed: "失败", truncated: "截断", misses: "不符预期或 schema",
  longer: "长度超过", order: "排序", byNumber: "编号", byLength: "最长", bySlowest: "最慢", byDifference: "差异最大",
  removed: "显示删除的词",
  shownModels: (some, all) => (some === all ? `全部 ${all} 个模型` : `${some} / ${all} 个模型`), allModels: "全部",
  found: (some, all) => (some === all ? `${all} 行` : `${some} / ${all} 行`),
  nothing: "没有符合筛选条件的行。", clear: "清除筛选",
  prompt: "提示词", linkTo: (id) => `链接到 ${id}`, repeat: (one) => `第 ${one} 次`, system: "系统",
  role: { system: "系统", user: "用户", assistant: "助手", tool: "工具", developer: "开发者" },
  wanted: "预期", further: (count) => `${count} 个附加列`,
  all: (count) => `显示全部 ${count} 个字符`, more: (count) => `继续显示（还有 ${count} 个字符）`,
  fewer: "收起", reasoning: "思考过程",
  notAsked: "未提问", empty: "（空）", retryable: "可以重试",
  same: "与基座相同", other: "有差异", otherSpace: "仅空白不同", otherAll: "有差异，未标注",
  otherAllWhy: "差异过大或文本过长，未逐词标注",
  changed: (added, gone) => `与基座的回答相比，新增 ${added} 词，删除 ${gone} 词`,
  exact: "符合预期", normalised: "规范化后符合预期", none: "不符合预期",
  isValid: "符合 schema", isInvalid: "不符合 schema", isInvalidWhy: "回答不符合 schema",
  cut: (reason) => `已截断：${reason}`, answeredBy: (name) => `实际模型：${name}`,
  tokens: (count) => `${count} token`, speed: (value) => `${value} token/秒`,
  firstAfter: (value) => `首个 ${value} 秒`, after: (value) => `共 ${value} 秒`,
  keys: "快捷键", close: "关闭",
  keyNext: "下一行、上一行", keyAcross: "下一个、上一个模型", keyEnds: "第一行、最后一行",
  keyExpand: "展开或收起一行", keySearch: "搜索", keyFilters: "筛选", keyLeave: "离开输入框", keyHelp: "显示此列表",
};

let words = ENGLISH;
let formats = new Map();

/** Use a language, "en" or "zh", also for what the document has of its own. */
function speak(language) {
  words = language === "zh" ? CHINESE : ENGLISH;
  formats = new Map();
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", words[each.dataset.label]);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = words[each.dataset.hint];
}

/** Return a number as the language writes it. To make a format takes long, so they are kept. */
function figure(value, digits = 0) {
  if (!formats.has(digits)) {
    const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    formats.set(digits, new Intl.NumberFormat(document.documentElement.lang, format));
  }
  return formats.get(digits).format(value);
}

/** Return seconds, or another quantity, with as many digits as can matter. */
function measure(value) {
  return figure(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}
