// Dialogs that say what will happen before it does, and short words about what did.

import { button, command, el, fill } from "./dom.js";

/**
 * Ask before something is done; resolves to true, or false where it was called off.
 *
 * @param {object} asked `title`; `says`: sentences or elements; `does`: the button's words; `danger`;
 *   `shell`: the command that does the same, or its element; `fields`: elements put between; `check()`: what hinders, or "".
 */
export function confirmed({ title, says = [], does, danger = false, shell = null, fields = [], check = () => "" }) {
  const hindered = el("p", { class: "hindrance", role: "alert" });
  const go = el("button", { type: "submit", class: `button ${danger ? "danger" : "main"}` }, does);
  const back = button("Back", () => dialog.close("back"));
  const form = el(
    "form",
    { method: "dialog", onsubmit: submitted },
    el("h2", { id: "asked" }, title),
    says.map((one) => (one instanceof Element ? one : el("p", {}, one))),
    fields,
    shell && el("details", { class: "same" }, el("summary", {}, "The same in a terminal"), shell instanceof Element ? shell : command(shell)),
    hindered,
    el("div", { class: "choices" }, back, go),
  );
  const dialog = el("dialog", { "aria-labelledby": "asked", class: "ask" }, form);

  function submitted(event) {
    event.preventDefault();
    const problem = check();
    fill(hindered, problem || null);
    if (!problem) dialog.close("go");
  }
  return shown(dialog, danger ? back : null);
}

function shown(dialog, first) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  first?.focus();
  dialog.scrollTop = 0; // a long one begins with what it asks
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "go");
      dialog.remove();
      if (before?.isConnected) before.focus();
    });
  });
}

const MOST_TOASTS = 4;
const SEEN = 7000;

/** Say briefly what came of something; what failed stays until it is put away. */
export function toast(text, tone = "ok") {
  const place = document.getElementById("toasts");
  const made = el("div", { class: "toast", data: { tone } }, el("span", {}, text));
  const away = () => made.remove();
  made.append(button("×", away, { label: "Put away" }));
  while (place.children.length >= MOST_TOASTS) place.firstChild.remove();
  place.append(made);
  if (tone !== "bad") setTimeout(away, SEEN);
  return made;
}

const spoken = [];
const MOST_SPOKEN = 3;
let speaking = null;

/** Tell a screen reader, a few sentences a time however many machines boot. */
export function announce(text) {
  if (spoken.at(-1) !== text) spoken.push(text);
  speaking ??= setTimeout(() => {
    const more = spoken.length - MOST_SPOKEN;
    const said = spoken.splice(0).slice(0, MOST_SPOKEN).join(". ");
    document.getElementById("news").textContent = more > 0 ? `${said}; and ${more} more` : said;
    speaking = null;
  }, 1000);
}
