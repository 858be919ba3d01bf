// What the card says itself, in English and Chinese. Summaries and warnings are the server's, in English.

const ENGLISH = {
  running: "Running", loading: "Running, not ready", starting: "Starting", stopping: "Stopping",
  stopped: "Stopped", failed: "Failed", unknown: "Unknown state",
  loraService: "LoRA service on",
  engine: "Engine", gpus: "GPUs", instances: "Instances", model: "Model", cluster: "Cluster", scaling: "Autoscaling",
  endpoint: "Endpoint", serviceId: "Service ID",
  ready: (ready, all) => `${ready} of ${all} ready`,
  models: "Models", base: "base", adapter: "adapter",
  readyOn: "ready on", outOf: (on, all) => `${on} of ${all}`, heldBy: (on, all) => `ready on ${on} of ${all} instances`,
  noModels: "No model names are reported.",
  all: (count) => `Show all ${count}`, fewer: "Show fewer",
  launch: "Launch settings", head: "Head", worker: "Worker", form: "Quick start", flags: "Flags", image: "Image",
  program: "Program", environment: "Environment", labels: "Labels", volumes: "Volumes", resources: "Resources",
  registry: "private registry", replicas: "Replicas", workers: "Workers", readOnly: "read-only", cpu: "CPU", memory: "memory",
  warning: "Warning", warnings: "Warnings",
  refresh: "Refresh", refreshing: "Refreshing…", updated: (time) => `Updated ${time}`,
  refreshFailed: "Could not refresh. This is the state from before.",
  noAnswer: "The host did not answer.",
  waiting: "Waiting for the result…", cancelled: "The call was cancelled.", error: "The call failed", result: "Result",
  comparison: "Comparison", question: "Question",
  same: "same as base", differs: "differs from base",
  changed: (added, removed) => `${added} words added, ${removed} removed`,
  tooDifferent: "Too different, or too long, to mark word by word.",
  showRemoved: "Show removed words",
  speed: "Tokens/s", first: "First token", total: "Total", tokens: (count) => `${count} tokens`,
  ends: (reason) => `ended: ${reason}`, answeredBy: "answered by", truncated: "truncated", invalid: "does not follow the schema",
  valid: "follows the schema", noAnswerOf: "No answer", retryable: "trying again can help",
  more: "There is more: ask the assistant to read on.", reasoning: "Thinking", answer: "Answer", empty: "(empty)",
  seconds: (value) => `${value} s`,
};

const CHINESE = {
  running: "运行中", loading: "运行中，未就绪", starting: "启动中", stopping: "停止中", stopped: "已停止", failed: "失败",
  unknown: "状态未知",
  loraService: "LoRA 服务，基座部署",
  engine: "引擎", gpus: "GPU", instances: "实例", model: "模型", cluster: "集群", scaling: "自动伸缩",
  endpoint: "接口地址", serviceId: "部署 ID",
  ready: (ready, all) => `${ready} / ${all} 就绪`,
  models: "模型", base: "基座", adapter: "适配器",
  readyOn: "就绪实例", outOf: (on, all) => `${on} / ${all}`, heldBy: (on, all) => `${all} 个实例中有 ${on} 个可用`,
  noModels: "没有上报模型名称。",
  all: (count) => `显示全部 ${count} 个`, fewer: "收起",
  launch: "启动配置", head: "主节点", worker: "工作节点", form: "快速部署", flags: "启动参数", image: "镜像", program: "程序",
  environment: "环境变量", labels: "标签", volumes: "存储卷", resources: "资源", registry: "私有镜像仓库", replicas: "副本数",
  workers: "工作节点数", readOnly: "只读", cpu: "CPU", memory: "内存",
  warning: "警告", warnings: "警告",
  refresh: "刷新", refreshing: "刷新中…", updated: (time) => `${time} 已更新`,
  refreshFailed: "刷新失败，以下仍是之前的状态。",
  noAnswer: "宿主没有响应。",
  waiting: "正在等待结果…", cancelled: "调用已取消。", error: "调用失败", result: "结果",
  comparison: "回答对比", question: "问题",
  same: "与基座相同", differs: "与基座不同",
  changed: (added, removed) => `新增 ${added} 词，删除 ${removed} 词`,
  tooDifferent: "差异过大或文本过长，未逐词标注。",
  showRemoved: "显示被删除的词",
  speed: "Token/秒", first: "首个 token", total: "总耗时", tokens: (count) => `${count} 个 token`,
  ends: (reason) => `结束原因：${reason}`, answeredBy: "实际模型", truncated: "已截断", invalid: "不符合 schema",
  valid: "符合 schema", noAnswerOf: "没有回答", retryable: "可以重试",
  more: "后面还有内容：请让助手继续读取。", reasoning: "思考过程", answer: "回答", empty: "（空）",
  seconds: (value) => `${value} 秒`,
  // The summary, which says this too, is in English.
  hint: {
    loading: "模型还在加载，可能需要几分钟，稍后刷新即可。", starting: "部署正在启动，可能需要几分钟，稍后刷新即可。",
    stopping: "部署正在停止，之后需要在 Alaya NeW 控制台重新启动。", stopped: "请在 Alaya NeW 控制台启动后再使用。",
    failed: "请在 Alaya NeW 控制台查看事件和日志，修改配置后才能运行。",
  },
};

let words = ENGLISH;
let locale = "en";

/** Use the language of a locale (BCP 47); return whether it changed. */
function speak(wanted) {
  const known = usable(wanted) ?? usable(navigator.language) ?? "en";
  const spoken = /^zh\b/i.test(known) ? CHINESE : ENGLISH;
  const hasChanged = spoken !== words || known !== locale;
  [words, locale] = [spoken, known];
  document.documentElement.lang = spoken === CHINESE ? "zh-CN" : "en";
  return hasChanged;
}

function usable(wanted) {
  try {
    return typeof wanted === "string" && wanted ? new Intl.Locale(wanted).toString() : undefined;
  } catch {
    return undefined;
  }
}

/** Return a number as the locale writes it, with at most so many digits behind the point. */
function figure(value, digits = 0) {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
}
