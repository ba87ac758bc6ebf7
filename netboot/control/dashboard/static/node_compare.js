// This boot beside the last good one: which stages came, and how long each took, then and now.

import { el, empty, fill, panel, say } from "./dom.js";
import { STAGES, durations, lastGood, strip } from "./boots.js";
import { dated, span } from "./words.js";

const SLOWER = 2;
const WORTH_SAYING = 5;
/** A stage is called slower when it took twice as long, and seconds more than that. */

export function comparePanel({ model, name }) {
  const none = empty("");
  const table = el("div");
  const { root } = panel("Compared with its last good boot", {}, none, table);
  return {
    root,
    update(_node, changed) {
      if (changed && !changed.has(name)) return;
      const all = model.boots(name);
      const good = lastGood(all);
      say(none, good ? `The last good boot began ${dated(good.begun)}${good.profile ? `, with ${good.profile}` : ""}.` : all.length ? "No earlier boot came to a good end, as far as its timeline goes back." : "No boot of it was seen yet.");
      fill(table, good && compared(good, all.at(-1)));
    },
  };
}

function compared(good, boot) {
  const [then, now, states] = [durations(good), durations(boot), strip(boot)];
  const rows = STAGES.map((stage, at) => {
    const { text, tone } = difference(then[at], now[at], states[at]);
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, stage.key === "done" ? "in all" : stage.name),
      el("td", {}, shown(then[at])),
      el("td", {}, shown(now[at])),
      el("td", { data: { tone } }, text),
    );
  });
  const head = ["Stage", "Then", "Now", "Difference"].map((text) => el("th", { scope: "col" }, text));
  return el("table", { class: "compare" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
}

const shown = (seconds) => (seconds === null ? "–" : span(seconds));

function difference(then, now, state) {
  if (state === "bad") return { text: "stopped here", tone: "bad" };
  if (state === "now") return { text: "under way", tone: "busy" };
  if (then === null || now === null) return { text: then === now ? "" : now === null ? "not yet" : "new", tone: "quiet" };
  if (now > then * SLOWER && now - then > WORTH_SAYING) return { text: `${span(now - then)} slower`, tone: "warn" };
  if (then > now * SLOWER && then - now > WORTH_SAYING) return { text: `${span(then - now)} faster`, tone: "ok" };
  return { text: "alike", tone: "quiet" };
}
