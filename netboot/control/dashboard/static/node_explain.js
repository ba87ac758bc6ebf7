// What the machine would get if it asked now, and why: the reasons, its script and its answer file.

import * as api from "./api.js";
import { button, el, empty, fill, panel, say } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { clock } from "./words.js";

export function explainPanel({ name }) {
  const again = button("Ask again", read);
  const said = el("span", { class: "unseen", role: "status" });
  const body = el("div", {}, empty("Reading…"));
  const { root } = panel("What it would get now, and why", { wide: true, end: again }, said, body);
  let key = "";

  async function read() {
    try {
      fill(body, explained(await api.explain(name)));
      say(said, `Read at ${clock(Date.now() / 1000)}`);
    } catch (problem) {
      again.hidden = problem.absent;
      fill(body, empty(notHere(problem)));
    }
  }

  return {
    root,
    /** It is read anew when the node is another one than it was. */
    update(node) {
      const now = JSON.stringify(node);
      if (now === key) return;
      key = now;
      read();
    },
  };
}

const VERDICTS = { ignore: "no answer", loader: "its loader", script: "its iPXE script" };

function explained(found) {
  const gets = [VERDICTS[found.verdict] ?? found.verdict, found.loader].filter(Boolean).join(" ");
  return [
    el("p", { class: "gets" }, el("strong", {}, found.profile ? `${gets}, then ${found.profile}` : gets)),
    el("ul", { class: "reasons" }, (found.reasons ?? []).map((reason) => el("li", {}, reason))),
    found.deploy && el("p", {}, `Installed by deploy template ${found.deploy}`),
    found.problem && el("p", { class: "hindrance" }, found.problem),
    files(found).map(({ title, text }) => file(title, text)),
  ];
}

/** Its script and its answer files. */
function files(found) {
  const all = [{ title: "iPXE script", text: found.script }, ...found.answers.map(({ name, text }) => ({ title: name, text }))];
  return all.filter((one) => typeof one.text === "string");
}

const file = (title, text) =>
  el("details", { class: "file" }, el("summary", {}, title, el("span", { class: "sub" }, ` ${text.split("\n").length} lines`)), el("pre", { tabindex: 0, role: "region", "aria-label": title }, text));
