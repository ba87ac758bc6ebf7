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
  const list = el("ol", { class: "timeline", tabindex: 0, "aria-label": "Events, newest first" });
  const none = empty("Nothing was heard of it yet.");
  const more = button("Show earlier", () => {
    shown += STEP;
    draw();
  });
  const { root } = panel("Timeline", { wide: true }, none, list, more);

  function draw() {
    const events = model.events(name).filter((event) => !LOG.has(event.kind));
    const lines = headed(events.slice(-shown).reverse(), [...model.boots(name)].reverse());
    keyed(list, lines, (one) => one.id ?? `boot ${one.first}`, (one) => (one.id ? line(one) : heading()));
    none.hidden = lines.length > 0;
    more.hidden = events.length <= shown;
  }

  return {
    root,
    update(_node, changed) {
      if (!changed || changed.has(name)) draw();
    },
  };
}

/** Events and boots, both newest first, with each boot before its newest event. */
function headed(events, boots) {
  const lines = [];
  let boot = 0;
  let headed = -1;
  for (const event of events) {
    while (boot < boots.length && event.id < boots[boot].first) boot += 1;
    if (boot < boots.length && headed !== boot) lines.push(boots[(headed = boot)]);
    lines.push(event);
  }
  return lines;
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

/** The line above a boot's events, which says what became of it. */
function heading() {
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
