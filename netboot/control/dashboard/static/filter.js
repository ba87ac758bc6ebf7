// Which nodes are shown: by what was typed, and by how they are.

import { needy } from "./attention.js";
import { underWay } from "./boots.js";

/** Whether a node is meant by every word typed; `rack=3` asks for a label. */
export function matches(node, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const known = [
    node.name,
    ...node.macs,
    node.profile,
    node.state,
    node.serial,
    node.asset_tag,
    node.uuid,
    ...Object.entries(node.labels).map(([key, value]) => `${key}=${value}`),
  ];
  const hay = known.filter(Boolean).map((one) => one.toLowerCase());
  return words.every((word) => hay.some((one) => one.includes(word) || one.replaceAll(":", "").includes(word)));
}

const AT_WORK = ["installing", "reinstalling", "inspecting", "wiping"];

/** The kinds of nodes one looks for, each with how many there are. */
export function sections(model, now) {
  const found = [
    { key: "all", name: "All", always: true, has: () => true },
    { key: "attention", name: "Need attention", always: true, tone: "bad", has: (node) => needy(node, model) },
    { key: "booting", name: "Booting", always: true, tone: "busy", has: (node) => underWay(model.boot(node.name), now) },
    { key: "work", name: "At work", always: true, tone: "busy", has: (node) => AT_WORK.includes(node.state) },
    { key: "installed", name: "Installed", always: true, tone: "ok", has: (node) => node.state === "installed" },
  ];
  const states = new Set([...model.nodes.values()].map((node) => node.state));
  for (const state of ["enrolled", "available", "rescue", "maintenance", "retired"]) {
    if (states.has(state)) found.push({ key: state, name: state[0].toUpperCase() + state.slice(1), has: (node) => node.state === state });
  }
  found.push({ key: "discovered", name: "Discovered", more: model.strangers.size, has: (node) => node.state === "discovered" });
  const nodes = [...model.nodes.values()];
  return found.map((one) => ({ ...one, count: nodes.filter(one.has).length + (one.more ?? 0) }));
}
