// The card: what the host said last, and the view of it.

const root = document.documentElement;
const card = document.getElementById("card");
const announcement = document.getElementById("announcement");
const STYLE_VARIABLE = /^--(color|font|border|shadow)-[a-z0-9-]+$/;

/** Keys of what the reader has opened. */
const opened = new Set();
let context = {};
let canCall = false;
let input = {};
let result;
let cancelled;
let refreshing = { isOn: false };
let isReady = false;
let size = "";

const host = new Host(heard, {
  "ui/resource-teardown": () => (observer.disconnect(), {}),
  ping: () => ({}),
});
const observer = new ResizeObserver(() => resized());

function heard(method, params) {
  if (method === "ui/notifications/tool-input") input = objectIn(params.arguments);
  else if (method === "ui/notifications/tool-result") [result, cancelled] = [params, undefined];
  else if (method === "ui/notifications/tool-cancelled") cancelled = params;
  else if (method !== "ui/notifications/host-context-changed") return;
  else if (!inContext(params)) return;
  render();
}

/**
 * Take over what changed in the host's context; return whether the card must be made anew. `containerDimensions` needs
 * nothing: the card fills any width, tells its height, and scrolls where the host gives it less.
 */
function inContext(changed) {
  context = { ...context, ...changed };
  if (context.theme === "light" || context.theme === "dark") root.style.colorScheme = context.theme;
  for (const [key, value] of Object.entries(objectIn(objectIn(changed.styles).variables))) {
    if (STYLE_VARIABLE.test(key) && typeof value === "string") root.style.setProperty(key, value);
  }
  for (const side of ["top", "right", "bottom", "left"]) {
    const inset = numberIn(objectIn(context.safeAreaInsets)[side]);
    if (inset !== undefined) root.style.setProperty(`--inset-${side}`, `${inset}px`);
  }
  return speak(context.locale);
}

function view() {
  const data = objectIn(result?.structuredContent);
  if (cancelled) return plainView(words.cancelled, textIn(cancelled.reason));
  if (!result) return [element("p", { class: "waiting" }, textIn(input.service_id) && [name(input.service_id), ": "], words.waiting)];
  if (result.isError === true) return plainView(words.error, textOf(result), "failure");
  if (Array.isArray(data.answers)) return comparisonView(data, input);
  if (deploymentIn(data)) return [...deploymentView(data, refreshButton(deploymentIn(data))), refreshNote()];
  return plainView(words.result, textOf(result));
}

function plainView(title, text, kind = "") {
  return [
    element("h1", { class: `plain ${kind}` }, title),
    text && element("div", { class: `text scrolls ${kind}`, role: "group", "aria-label": title, dir: "auto" }, text),
  ];
}

/** Return the text form of a result. */
function textOf(toolResult) {
  return objectsIn(toolResult.content).map((block) => textIn(block.text)).filter((text) => text !== undefined).join("\n");
}

function render() {
  const focused = document.activeElement?.dataset?.key;
  for (const each of card.querySelectorAll("details[data-key]")) opened[each.open ? "add" : "delete"](each.dataset.key);
  card.replaceChildren(...view().flat(Infinity).filter(Boolean));
  card.setAttribute("aria-busy", String(!result && !cancelled));
  card.classList.toggle("shows-removed", opened.has("removed"));
  for (const each of card.querySelectorAll("details[data-key]")) each.open = opened.has(each.dataset.key);
  if (focused) card.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  resized();
}

/** Open what is closed, and the reverse. */
function turn(key) {
  if (!opened.delete(key)) opened.add(key);
  render();
}

function refreshButton(serviceId) {
  return canCall && element("button", {
    type: "button", class: "refresh", "data-key": "refresh", "aria-disabled": String(refreshing.isOn), onclick: () => refresh(serviceId),
  }, element("span", { class: "turning", "aria-hidden": "true" }, "↻"), refreshing.isOn ? words.refreshing : words.refresh);
}

function refreshNote() {
  if (refreshing.failed !== undefined) {
    return element("div", { class: "failure" }, element("strong", {}, words.refreshFailed),
      element("p", { class: "text", dir: "auto" }, refreshing.failed));
  }
  return refreshing.at && element("p", { class: "quiet line" }, words.updated(clock(refreshing.at)));
}

function clock(date) {
  const style = { timeStyle: "medium" };
  try {
    return new Intl.DateTimeFormat(locale, { ...style, timeZone: context.timeZone }).format(date);
  } catch { // a time zone that this browser does not know
    return new Intl.DateTimeFormat(locale, style).format(date);
  }
}

/** Ask for the deployment again, and show it; what was shown stays if that fails. */
async function refresh(serviceId) {
  if (refreshing.isOn) return;
  refreshing = { isOn: true };
  announce(words.refreshing);
  render();
  try {
    const fresh = await host.ask("tools/call", { name: "get_deployment", arguments: { service_id: serviceId } });
    if (fresh.isError === true) throw new Error(textOf(fresh));
    if (deploymentIn(objectIn(fresh.structuredContent))) result = fresh;
    else throw new Error(textOf(fresh));
    refreshing = { isOn: false, at: new Date() };
    announce(words.updated(clock(refreshing.at)));
  } catch (error) {
    refreshing = { isOn: false, failed: error.message };
    announce(words.refreshFailed);
  }
  render();
}

function announce(text) {
  announcement.textContent = text;
}

/** Report the card's size to the host, where it has changed; what scrolls can be reached by keyboard. */
function resized() {
  for (const each of card.querySelectorAll(".scrolls")) {
    if (each.scrollHeight > each.clientHeight) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
  const height = Math.ceil(card.getBoundingClientRect().height);
  const width = Math.ceil(innerWidth);
  if (!isReady || !height || size === `${width} ${height}`) return;
  size = `${width} ${height}`;
  host.tell("ui/notifications/size-changed", { width, height });
}

async function begin() {
  speak(undefined);
  render();
  if (parent === window) return; // opened as a page of its own, where nothing will come
  const params = {
    protocolVersion: PROTOCOL,
    appInfo: { name: "alaya-card", version: root.dataset.version },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
  };
  const { hostContext, hostCapabilities } = await host.ask("ui/initialize", params);
  canCall = objectIn(hostCapabilities).serverTools !== undefined;
  inContext(objectIn(hostContext));
  isReady = true;
  host.tell("ui/notifications/initialized");
  observer.observe(card);
  render();
}

begin().catch((error) => {
  result = { isError: true, content: [{ text: error.message }] };
  render();
});
