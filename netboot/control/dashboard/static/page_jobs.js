// Every job: what is under way, what it waits for, and how the others ended.

import { button, el, empty, keyed, mark, say } from "./dom.js";
import { jobHead, jobRow } from "./job_row.js";
import { notHere } from "./node_jobs.js";

const SHOWN = {
  all: { name: "All", has: () => true },
  now: { name: "Under way", has: (job) => job.state === "queued" || job.state === "active" },
  failed: { name: "Failed", has: (job) => job.state === "failed" },
  done: { name: "Done", has: (job) => job.state === "done" },
};

export function jobsPage(context) {
  const { model, query } = context;
  let shown = asked(query);
  const rows = el("tbody");
  const table = el("table", { class: "jobs" }, jobHead(true), rows);
  const none = empty("");
  const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Show" });
  const root = el("div", {}, el("h1", { tabindex: -1 }, "Jobs"), tabs, table, none);

  function tab([key, one]) {
    const count = el("span", { class: "count" });
    const made = button(one.name, () => pick(key), { kind: "tab" });
    made.append(count);
    return {
      root: made,
      update() {
        mark(made, "aria-pressed", String(shown === key));
        say(count, String([...model.jobs.values()].filter(one.has).length));
      },
    };
  }

  function pick(key) {
    shown = key;
    history.replaceState(null, "", key === "all" ? "#/jobs" : `#/jobs?show=${key}`);
    draw();
  }

  function draw() {
    const jobs = [...model.jobs.values()].filter(SHOWN[shown].has).sort((a, b) => b.id - a.id);
    keyed(tabs, Object.entries(SHOWN), ([key]) => key, tab);
    keyed(rows, jobs, (job) => job.id, () => jobRow(context, true));
    table.hidden = !jobs.length;
    tabs.hidden = Boolean(model.jobsAbsent);
    say(none, jobs.length ? "" : model.jobsAbsent ? notHere(model.jobsAbsent) : "No job is like that. Installing a node makes one.");
  }

  function moved(query) {
    shown = asked(query);
    draw();
    return true;
  }

  draw();
  return { title: "Jobs", root, leave: model.watch(draw), moved };
}

const asked = (query) => (query.get("show") in SHOWN ? query.get("show") : "all");
