// Building the page. Text becomes text nodes; nothing here, or elsewhere, parses markup.

/** Return an element. Children are elements or text; those that are undefined or false are left out. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key === "onclick" || key === "onchange") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false && child !== ""));
  return made;
}

// Controls, and what reorders or hides text. In a name they only deceive.
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Return a name from elsewhere without them. */
function plain(text) {
  return (textIn(text) ?? "").replace(DECEIVING, "\ufffd");
}

/** Return the same as an element, whose direction does not reach its neighbours. */
function name(text, attributes = {}) {
  return element("bdi", attributes, plain(text));
}

/** Return a row of facts: a term, and what it is. */
function fact(term, value, attributes = {}) {
  return value === undefined || value === "" || (Array.isArray(value) && !value.length)
    ? undefined
    : element("div", { class: "fact", ...attributes }, element("dt", {}, term), element("dd", {}, value));
}

/** Return a bar that fills a share of its width. What it shows stands beside it as text. */
function bar(share, kind = "") {
  const filled = element("span", { class: "filled" });
  filled.style.inlineSize = `${Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10}%`;
  return element("span", { class: `bar ${kind}`, "aria-hidden": "true" }, filled);
}

/** Return something folded, which stays open or closed when the card is made anew. */
function folded(key, title, ...children) {
  const made = element("details", { "data-key": key }, element("summary", {}, title), ...children);
  made.addEventListener("toggle", () => resized());
  return made;
}

// The result is checked field by field: a host may hold one of an older or a newer server.

const textIn = (value) => (typeof value === "string" ? value : Number.isFinite(value) ? String(value) : undefined);
const numberIn = (value) => (Number.isFinite(value) ? value : undefined);
const objectIn = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const objectsIn = (value) => (Array.isArray(value) ? value.map(objectIn) : []);
const textsIn = (value) => (Array.isArray(value) ? value.map(textIn).filter((each) => each !== undefined) : []);
