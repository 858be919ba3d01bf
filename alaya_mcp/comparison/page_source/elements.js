// Building the page. Text becomes text nodes; nothing here, or elsewhere, parses markup.

/** Return an element. Children are elements or text; undefined, false and "" are left out. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false && child !== ""));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

// Controls, and what reorders or hides text. In a name they only deceive.
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Return a name from elsewhere without them. */
function plain(text) {
  return text.replace(DECEIVING, "\ufffd");
}

/** Return the same as an element, whose direction does not reach its neighbours. */
function named(text) {
  return element("bdi", {}, plain(text));
}

function chip(text, kind, why) {
  return element("span", { class: `chip ${kind}`, title: why }, text);
}

/** Return something folded, whose content is made when it is opened. */
function folded(title, make) {
  const made = element("details", {}, element("summary", {}, title));
  made.addEventListener("toggle", () => made.append(...make()), { once: true });
  return made;
}

const AT_ENDS = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const BEGINNING = new RegExp(`^${AT_ENDS}+`);
const END = new RegExp(`${AT_ENDS}$`);

/** Return text without white space at its ends, which is what Python's strip() takes for it. */
function stripped(text) {
  let end = text.length;
  while (end > 0 && END.test(text[end - 1])) end--;
  return text.slice(0, end).replace(BEGINNING, "");
}

/** Return how many characters a text has, each of those beyond 16 bits as one. */
function lengthOf(text) {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** Return a text's first part of so many UTF-16 units or a little less, without half a character at its end. */
function firstOf(text, units) {
  return text.slice(0, /[\ud800-\udbff]/.test(text[units - 1] ?? "") ? units - 1 : units);
}
