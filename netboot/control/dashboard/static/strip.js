// The boot progress strip: six bars, one for each stage, and what they say in words.

import { el, mark, say } from "./dom.js";
import { STAGES, durations, over, strip, told } from "./boots.js";
import { span } from "./words.js";

const SIGNS = { done: "✓", now: "", bad: "✗", skipped: "", todo: "" };
const SPOKEN = { done: "done", now: "under way", bad: "failed", skipped: "not needed", todo: "not yet" };

/** A strip of bars; `update(boot)` lets it follow. `names`: with each stage's name and duration. */
export function bootStrip({ names = false } = {}) {
  const bars = STAGES.map((stage) => bar(stage, names));
  const root = el("div", { class: names ? "strip named" : "strip", role: "img" }, bars.map((one) => one.root));
  return {
    root,
    update(boot) {
      const states = strip(boot);
      const took = boot ? durations(boot) : [];
      bars.forEach((one, at) => one.update(states[at], took[at]));
      root.classList.toggle("past", !names && Boolean(boot) && over(boot) && !boot.trouble);
      mark(root, "aria-label", spoken(boot, states));
    },
  };
}

function bar(stage, names) {
  const sign = el("span", { class: "sign" });
  const time = names ? el("span", { class: "took" }) : null;
  const name = names ? el("span", { class: "stage" }, stage.name) : null;
  const root = el("span", { class: "bar", title: `${stage.name}: ${stage.long}` }, el("span", { class: "fill" }, sign), name, time);
  return {
    root,
    update(state, took) {
      mark(root, "data-is", state);
      say(sign, SIGNS[state]);
      if (time) say(time, took === null || took === undefined ? " " : span(took));
    },
  };
}

const spoken = (boot, states) =>
  boot ? `Boot: ${told(boot)}. ${STAGES.map((stage, at) => `${stage.name} ${SPOKEN[states[at]]}`).join(", ")}` : "No boot seen yet";

/** The names of the stages, set like the strip's bars, for a table's heading. */
export const stripHead = () =>
  el("span", { class: "strip-head", "aria-hidden": "true" }, STAGES.map((stage) => el("span", {}, stage.name)));
