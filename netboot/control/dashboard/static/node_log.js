// The installer's own log and the machine's serial line, as they come; it stays at the end while
// one is there.

import { el, empty, keyed, mark, panel } from "./dom.js";
import { clock } from "./words.js";

const KINDS = { syslog: "Log", progress: "Steps", console: "Console" };
const MOST = 1000;

export function logPanel({ model, name }) {
  const shown = new Set(Object.keys(KINDS));
  const lines = el("div", { class: "log", tabindex: 0, role: "log", "aria-label": "Installer's log", "aria-live": "off" });
  const none = empty("Nothing yet. It fills as soon as an installer sends its log here, or somebody has the console open.");
  const kinds = el("fieldset", { class: "kinds" }, el("legend", { class: "unseen" }, "Which lines"), Object.entries(KINDS).map(choice));
  const { root } = panel("Installer’s log", { wide: true, end: kinds }, none, lines);

  function choice([kind, text]) {
    const box = el("input", { type: "checkbox", checked: true, onchange: () => pick(kind, box.checked) });
    return el("label", {}, box, text);
  }

  function pick(kind, on) {
    if (on) shown.add(kind);
    else shown.delete(kind);
    draw();
  }

  function draw() {
    const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
    const found = model.events(name).filter((event) => shown.has(event.kind)).slice(-MOST);
    keyed(lines, found, (event) => event.id, line);
    none.hidden = found.length > 0;
    lines.hidden = !found.length;
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  return {
    root,
    update(_node, changed) {
      if (!changed || changed.has(name)) draw();
    },
  };
}

function line(event) {
  const bad = event.kind === "progress" && event.data?.status && String(event.data.status) !== "0";
  const root = el(
    "div",
    { data: { kind: event.kind } },
    el("time", { datetime: new Date(event.time * 1000).toISOString() }, clock(event.time)),
    el("span", {}, event.detail),
  );
  mark(root, "data-tone", bad ? "bad" : null);
  return { root };
}
