// The machine's BMC: what we keep of it, what it says when it is asked, and asked beside observed.

import * as api from "./api.js";
import { button, command, el, empty, facts, fill, panel, say } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { clock, dated } from "./words.js";

export function bmcPanel({ model, name }) {
  let answer = null;
  let asked = null;
  const ask = button("Ask it now", askNow);
  const said = el("p", { class: "sub", role: "status" });
  const kept = el("div", {}, empty("Reading…"));
  const observed = el("div");
  const { root } = panel("BMC", { end: ask }, kept, said, observed);
  ask.hidden = true;

  async function read() {
    try {
      const known = await api.bmc(name);
      ask.hidden = !known.bmc;
      fill(kept, known.bmc ? keptFacts(known) : without(name));
    } catch (problem) {
      fill(kept, empty(notHere(problem)));
    }
  }

  async function askNow() {
    ask.disabled = true;
    say(said, "Asking…");
    try {
      answer = await api.powerNow(name);
      asked = Date.now() / 1000;
      say(said, `It answered at ${clock(asked)}.`);
    } catch (problem) {
      say(said, `It did not answer: ${problem.message}`);
    }
    ask.disabled = false;
    draw();
  }

  function draw() {
    fill(observed, answer && observedFacts(answer, wanted(model.events(name), model.nodes.get(name))));
  }

  read();
  return {
    root,
    update(_node, changed) {
      if (changed?.has(name)) draw();
    },
  };
}

function without(name) {
  return [
    el("p", {}, "It has none, so it is switched on and restarted by hand. With one, netboot does that:"),
    command(`netboot node set ${name} --bmc redfish://ADDRESS --bmc-user admin --bmc-password-file FILE`),
  ];
}

function keptFacts({ bmc, hardware, seen }) {
  const machine = hardware && [hardware.manufacturer, hardware.model].filter(Boolean).join(" ");
  return facts([
    ["Address", el("code", {}, bmc.address)],
    ["User", bmc.user],
    ["Password", bmc.kept ? "kept, sealed" : bmc.password],
    ["Certificate", bmc.tls],
    ["Machine", machine],
    ["Serial", hardware?.serial],
    ["BIOS", hardware?.bios_version],
    ["BMC firmware", hardware && [hardware.bmc_model, hardware.bmc_version].filter(Boolean).join(" ")],
    ["Memory", hardware?.memory_mib && `${hardware.memory_mib / 1024} GiB`],
    ["CPUs", hardware && [hardware.cpus, hardware.cpu_model].filter(Boolean).join(" × ")],
    ["Inspected", seen && dated(seen)],
  ]);
}

const words = (override) => {
  if (!override) return "it does not say";
  if (override.target === "none") return "none";
  return `${override.target}, ${override.once ? "once" : "always"}${override.mode ? `, ${override.mode}` : ""}`;
};

/** What its boot override was last asked to be, and when; by the timeline, or over our own Redfish. */
function wanted(events, node) {
  const last = events.findLast((event) => event.kind === "bmc" && event.data?.came === "asked" && /^boot /.test(event.data.asked ?? ""));
  if (last) return { text: last.data.asked.replace(/^boot /, ""), time: last.time };
  const override = node?.override;
  return override ? { text: `${override.source}, ${override.once ? "once" : "always"}`, time: null } : null;
}

function observedFacts(answer, asked) {
  const media = (answer.media ?? []).filter((one) => one.inserted).map((one) => `${one.slot}: ${one.image ?? "something"}`);
  return facts([
    ["Power", answer.power],
    ["Override asked", asked ? `${asked.text}${asked.time ? ` (${clock(asked.time)})` : ""}` : "nothing was asked"],
    ["Override observed", words(answer.boot)],
    ["Virtual media", media.length ? media.join(", ") : answer.media ? "none inserted" : ""],
  ]);
}
