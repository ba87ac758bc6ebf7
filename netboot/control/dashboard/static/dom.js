// Elements. Text goes in as text: nothing in the dashboard parses markup, and the policy forbids it.

/** An element with attributes, `on…` listeners, a `data` object, and children; null ones are left out. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) put(made, key, value);
  made.append(...present(children));
  return made;
}

function put(made, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
  else if (key === "data") Object.assign(made.dataset, value);
  else made.setAttribute(key, value === true ? "" : value);
}

const present = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Put `children` in the place of whatever is in `parent`. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
  return parent;
}

/** Set an element's text, touching nothing where it is the same: a selection survives. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

/** Set or take away an attribute, only where that changes it. */
export function mark(element, name, value) {
  const wanted = value === true ? "" : value;
  if (wanted === false || wanted === null || wanted === undefined) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(wanted)) {
    element.setAttribute(name, wanted);
  }
  return element;
}

const kept = new WeakMap();

/**
 * Bring `parent`'s children in line with `items`, reusing each one's element: nothing that stays is
 * made anew, so focus and scroll stay too. `make(item)` gives `{root, update(item)}`.
 */
export function keyed(parent, items, keyOf, make) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const row = before.get(key) ?? make(item);
    row.update?.(item);
    after.set(key, row);
  }
  for (const [key, row] of before) if (!after.has(key)) row.root.remove();
  let place = parent.firstChild;
  for (const { root } of after.values()) {
    if (root === place) place = place.nextSibling;
    else parent.insertBefore(root, place);
  }
  kept.set(parent, after);
}

/** Text for screen readers only. */
export const unseen = (text) => el("span", { class: "unseen" }, text);

/** A titled section of a page; `parts` go below its heading, `end` beside it. */
export function panel(title, { end = null, id = null, wide = false } = {}, ...parts) {
  const heading = el("h2", {}, title);
  const body = el("div", { class: "panel-body" }, parts);
  const root = el(
    "section",
    { class: wide ? "panel wide" : "panel", id, "aria-label": title },
    el("div", { class: "panel-head" }, heading, end),
    body,
  );
  return { root, body, heading };
}

/** A button; `kind` is "main", "danger" or "plain". */
export function button(text, onclick, { kind = "plain", label = null, ...rest } = {}) {
  return el("button", { type: "button", class: `button ${kind}`, "aria-label": label, onclick, ...rest }, text);
}

/** Pairs of a term and what it is; empty ones are left out. */
export function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "dl",
    { class: "facts" },
    rows.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

/** A word or two on a coloured ground; `tone` is ok, busy, bad, warn or quiet. */
export function badge(text, tone = "quiet") {
  return el("span", { class: "badge", data: { tone } }, text);
}

/** A line that says why there is nothing here. */
export const empty = (text) => el("p", { class: "empty" }, text);

/** A command that can be copied. */
export function command(text) {
  const done = el("span", { class: "unseen", role: "status" });
  const shown = el("code", {}, text);
  const copy = button("Copy", () => copied(shown.textContent, copy, done), { label: `Copy: ${text}` });
  return el("div", { class: "command" }, shown, copy, done);
}

/** Make what `command` gave another command. */
export function retype(root, text) {
  say(root.querySelector("code"), text);
  mark(root.querySelector("button"), "aria-label", `Copy: ${text}`);
}

async function copied(text, copy, done) {
  try {
    await navigator.clipboard.writeText(text);
    say(copy, "Copied");
    say(done, "Copied");
  } catch {
    say(copy, "Select it"); // a page over plain HTTP may not write the clipboard
    getSelection().selectAllChildren(copy.previousSibling);
  }
  setTimeout(() => say(copy, "Copy"), 2000);
}
