// What needs somebody, before everything else; as high when nothing does, so that nothing moves.

import { el, fill, mark, say } from "./dom.js";
import { told } from "./boots.js";
import { counted, moved, since } from "./words.js";

const MOST_NAMED = 12;

/** Whether a node needs somebody: its boot stopped, or what was wanted of it failed. */
export const needy = (node, model) => Boolean(model.boot(node.name)?.trouble) || node.state === "failed";

const CAUSE = /^(.*?)\. Usual cause: (.*?)(?:\. Cure: (.*?))?(?:; see .*)?$/s;

/** What a stalled boot says, apart: what is missing, why that usually is, and what helps. */
export function trouble(event) {
  const found = CAUSE.exec(event.detail);
  return found ? { what: found[1], cause: found[2], cure: found[3] ?? "" } : { what: event.detail, cause: "", cure: "" };
}

/** The newest trouble with its usual cause, and the names of the others. */
export function attentionPanel(model) {
  const well = el("p", { class: "well" });
  const name = el("a", {});
  const what = el("span", { class: "what" });
  const time = since(0);
  const detail = el("p", {});
  const cause = el("p", { class: "sub" });
  const others = el("p", { class: "others" });
  const card = el("article", { class: "needy" }, el("h2", {}, name, " ", what, " ", time), detail, cause, others);
  const root = el("section", { class: "attention", "aria-label": "Needs attention" }, well, card);

  return {
    root,
    update() {
      const found = [...model.nodes.values()].filter((node) => needy(node, model)).sort((a, b) => when(b) - when(a));
      well.hidden = found.length > 0;
      card.hidden = !found.length;
      if (!found.length) {
        const nodes = counted(model.nodes.size, "node");
        const known = [...model.nodes.keys()].every(model.read);
        say(well, known ? `Nothing needs attention. ${nodes}.` : `Reading what ${nodes} did…`);
        mark(well, "data-tone", known ? "ok" : "quiet");
        return;
      }
      draw(found[0]);
      fill(others, also(found.slice(1)));
    },
  };

  function when(node) {
    return model.boot(node.name)?.trouble?.time ?? model.newestJob(node.name)?.changed ?? 0;
  }

  function draw(node) {
    const boot = model.boot(node.name);
    const said = boot?.trouble ? trouble(boot.trouble) : { what: model.newestJob(node.name)?.outcome ?? "" };
    link(name, node);
    say(what, boot?.trouble ? told(boot) : node.state);
    moved(time, when(node));
    say(detail, said.what);
    say(cause, [said.cause && `Usual cause: ${said.cause}.`, said.cure && `What helps: ${said.cure}.`].filter(Boolean).join(" "));
  }
}

const link = (made, node) => mark(say(made, node.name), "href", `#/nodes/${encodeURIComponent(node.name)}`);

function also(nodes) {
  if (!nodes.length) return null;
  const named = nodes.slice(0, MOST_NAMED).flatMap((node) => [" ", link(el("a", {}), node)]);
  const more = nodes.length - MOST_NAMED;
  return ["Also:", named, more > 0 && ` and ${more} more`];
}
