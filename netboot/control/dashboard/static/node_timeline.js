// What the machine asked and got, newest first, one boot under the other.

import { button, el, empty, keyed, mark, panel, say } from "./dom.js";
import { told } from "./boots.js";
import { clock, dated, kindName, plain, tone } from "./words.js";

const STEP = 80;
/** Events that are shown, and so many more each time they are asked for. */
const LOG = new Set(["syslog", "console"]);
/** Lines that have a panel of their own. */
const SIGNS = { ok: "✓", bad: "✗", neutral: "·" };

export function timelinePanel({ model, name }) {
  let shown = STEP;
  const list = el("ol", { class: "timeline" });
  const none = empty("Nothing was heard of it yet.");
  const more = button("Show earlier", () => {
    shown += STEP;
    draw();
  });
  const { root } = panel("Timeline", { wide: true }, none, list, more);

  function draw() {
    const events = model.events(name).filter((event) => !LOG.has(event.kind));
    const starts = new Map(model.boots(name).map((boot) => [boot.first, boot]));
    const newest = events.slice(-shown).reverse();
    const lines = newest.flatMap((event) => (starts.has(event.id) ? [event, starts.get(event.id)] : [event]));
    keyed(list, lines, (one) => one.id ?? `boot ${one.first}`, (one) => (one.id ? line(one) : divider()));
    none.hidden = newest.length > 0;
    more.hidden = events.length <= shown;
  }

  return {
    root,
    update(_node, changed) {
      if (!changed || changed.has(name)) draw();
    },
  };
}

function line(event) {
  const how = tone(event);
  const values = Object.entries(event.data ?? {});
  const root = el(
    "li",
    { class: "event", data: { tone: how } },
    el("time", { datetime: new Date(event.time * 1000).toISOString(), title: dated(event.time) }, clock(event.time)),
    el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[how]),
    el("span", { class: "kind" }, kindName(event.kind)),
    el("span", { class: "detail", title: values.map(([key, value]) => `${key}: ${plain(value)}`).join("\n") || null }, event.detail),
  );
  return { root };
}

/** The line below a boot's first event, which says what became of it. */
function divider() {
  const text = el("span", {});
  const root = el("li", { class: "divider" }, text);
  return {
    root,
    update(boot) {
      say(text, `Boot of ${dated(boot.begun)}: ${told(boot)}`);
      mark(root, "data-tone", boot.trouble ? "bad" : "quiet");
    },
  };
}
