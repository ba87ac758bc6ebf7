// Machines that asked and nobody registered: who they are, and the one step that makes them nodes.

import * as api from "./api.js";
import { may } from "./actions.js";
import { confirmed, toast } from "./ask.js";
import { button, command, el, empty, keyed, mark, panel, retype, say } from "./dom.js";
import { moved, since } from "./words.js";

const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SUGGESTED = "debian-12";

/** A panel of them. */
export function strangersPanel(context) {
  const { model } = context;
  const list = el("ul", { class: "strangers" });
  const none = empty("None yet. Start a machine from the network: it shows up here within a second of its first DISCOVER.");
  const { root } = panel("Discovered machines", {}, none, list);
  return {
    root,
    update() {
      const found = [...model.strangers.values()].sort((a, b) => (b.last ?? 0) - (a.last ?? 0));
      none.hidden = found.length > 0;
      keyed(list, found, (one) => one.mac, () => stranger(context));
    },
  };
}

function stranger(context) {
  let machine = null;
  const mac = el("code", {});
  const says = el("span", { class: "sub" });
  const time = since(0);
  const enrol = button("Enrol…", () => enrolled(machine, context), { kind: "main" });
  const root = el("li", {}, el("div", { class: "grow" }, el("div", {}, mac, " ", time), says), enrol);
  return {
    root,
    update(now) {
      machine = now;
      say(mac, now.mac);
      say(says, now.detail ?? [now.firmware, now.arch].filter(Boolean).join(", "));
      mark(enrol, "aria-label", `Enrol ${now.mac}`);
      const hindered = may(context.session, "operate") ? "" : "Your token may only read.";
      enrol.disabled = Boolean(hindered);
      mark(enrol, "title", hindered || null);
      time.hidden = !now.last;
      if (now.last) moved(time, now.last);
    },
  };
}

/** Ask for a name and a profile, with the command that does the same, and register it. */
async function enrolled(machine, { model }) {
  const name = input("Name", suggested(model), "a host name: small letters, digits and -");
  const profile = profileField(model);
  const shell = command("");
  const shown = () => retype(shell, `netboot node add ${name.field.value || "NAME"} --mac ${machine.mac} --profile ${profile.field.value}`);
  for (const { field } of [name, profile]) field.addEventListener("input", shown);
  shown();
  const go = await confirmed({
    title: `Enrol ${machine.mac}`,
    says: ["It becomes a node. What its profile installs begins the next time it boots from the network."],
    fields: [name.root, profile.root, shell],
    does: "Enrol",
    check: () => (HOST_LABEL.test(name.field.value) ? (model.nodes.has(name.field.value) ? "There is a node of this name." : "") : "The name must be a host name: small letters, digits and -."),
  });
  if (!go) return;
  try {
    const node = await api.addNode({ name: name.field.value, macs: [machine.mac], profile: profile.field.value });
    toast(`${node.name} is enrolled`);
    model.strangers.delete(machine.mac);
  } catch (problem) {
    toast(`Enrol ${machine.mac}: ${problem.message}`, "bad");
  }
  await model.refresh();
}

/** The next free name of the kind there is most of: n1, n2, … */
function suggested(model) {
  for (let number = model.nodes.size + 1; ; number += 1) if (!model.nodes.has(`n${number}`)) return `n${number}`;
}

function input(text, value, hint) {
  const id = `field-${text.toLowerCase()}`;
  const field = el("input", { id, value, autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": `${id}-hint` });
  return { field, root: el("div", { class: "field" }, el("label", { for: id }, text), field, el("p", { class: "sub", id: `${id}-hint` }, hint)) };
}

function profileField(model) {
  if (!model.profiles) return input("Profile", SUGGESTED, "what it boots");
  const field = el(
    "select",
    { id: "field-profile" },
    model.profiles.map((one) => el("option", { value: one.name, selected: one.name === SUGGESTED }, one.description ? `${one.name} – ${one.description}` : one.name)),
  );
  return { field, root: el("div", { class: "field" }, el("label", { for: "field-profile" }, "Profile"), field) };
}
