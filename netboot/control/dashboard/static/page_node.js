// One machine: how far it is, what it would get and why, and everything that can be done to it.

import * as api from "./api.js";
import { actionBar } from "./actions.js";
import { badge, el, empty, facts, fill, mark, say } from "./dom.js";
import { told } from "./boots.js";
import { trouble } from "./attention.js";
import { bmcPanel } from "./node_bmc.js";
import { comparePanel } from "./node_compare.js";
import { explainPanel } from "./node_explain.js";
import { jobsPanel } from "./node_jobs.js";
import { logPanel } from "./node_log.js";
import { timelinePanel } from "./node_timeline.js";
import { bootStrip } from "./strip.js";
import { moved, since, stateTone } from "./words.js";

export function nodePage(context) {
  const { model, name } = context;
  const heading = el("h1", { tabindex: -1 }, name);
  const state = badge("");
  const sub = el("p", { class: "sub" });
  const actions = actionBar(context);
  const strip = bootStrip({ names: true });
  const now = el("p", { class: "now" });
  const time = since(0);
  const why = el("div", { class: "needy", hidden: true });
  const problem = empty("Reading…");
  const parts = [jobsPanel, timelinePanel, comparePanel, bmcPanel, explainPanel, logPanel].map((made) => made(context));
  let volume;
  const known = el("details", { class: "known" }, el("summary", {}, "Identity, labels and variables"));
  const body = el(
    "div",
    { hidden: true },
    actions.root,
    el("section", { class: "panel boot-now", "aria-label": "Boot" }, strip.root, el("div", { class: "under" }, now, time), why),
    el("div", { class: "panels" }, parts.map((one) => one.root)),
    known,
  );
  const root = el(
    "div",
    {},
    el("nav", { class: "crumbs", "aria-label": "Where this is" }, el("a", { href: "#/" }, "Nodes")),
    el("div", { class: "title" }, heading, state),
    sub,
    problem,
    body,
  );

  function draw(changed) {
    const node = model.nodes.get(name);
    if (body.hidden) changed = null; // what came while the node was not known yet was not drawn
    body.hidden = !node;
    problem.hidden = Boolean(node);
    if (!node) {
      if (model.loaded) say(problem, model.problem?.message ?? `No node is called ${name}.`);
      return;
    }
    mark(say(state, node.state), "data-tone", stateTone(node.state));
    say(sub, [node.profile ?? "profile of its group", ...node.macs].join(" · "));
    actions.update(node);
    drawBoot();
    if (!changed || changed.has("nodes")) {
      fill(known, known.firstChild, identity(node, volume));
      lookAtVolume(node);
    }
    for (const one of parts) one.update(node, changed);
  }

  async function lookAtVolume(node) {
    const found = await api.volumeOf(name).catch(() => volume); // what it had is the best guess
    if (found?.name === volume?.name) return;
    volume = found;
    fill(known, known.firstChild, identity(node, volume));
  }

  function drawBoot() {
    const boot = model.boot(name);
    strip.update(boot);
    say(now, boot ? told(boot) : "No boot of it was seen yet.");
    time.hidden = !boot;
    if (boot) moved(time, boot.last);
    why.hidden = !boot?.trouble;
    if (!boot?.trouble) return;
    const { what, cause, cure } = trouble(boot.trouble);
    fill(
      why,
      el("p", {}, what),
      cause && el("p", { class: "sub" }, `Usual cause: ${cause}.`),
      cure && el("p", { class: "sub" }, `What helps: ${cure}.`),
    );
  }

  const unwatch = model.watch((changed) => {
    if (["nodes", "jobs", name].some((one) => changed.has(one))) draw(changed);
  });
  draw();
  model.lookAt(name).catch(() => {}); // the timeline of a node that is not there
  return {
    title: name,
    root,
    leave() {
      unwatch();
      model.lookAway(name);
      for (const one of parts) one.leave?.();
    },
  };
}

function identity(node, volume) {
  return facts([
    ["MAC", node.macs.join(", ")],
    ["UUID", node.uuid],
    ["Serial", node.serial],
    ["Asset tag", node.asset_tag],
    ["Profile", node.profile],
    ["Loader", node.loader],
    ["Secure Boot", node.secure_boot ? "on: it is given only what is signed" : null],
    ["Volume", volume && `${volume.name}: LUN ${volume.lun} of ${volume.target} at ${volume.portal}`],
    ["Installation", node.installation],
    ...Object.entries(node.labels).map(([key, value]) => [`label ${key}`, value]),
    ...Object.entries(node.vars).map(([key, value]) => [`variable ${key}`, value]),
  ]);
}
