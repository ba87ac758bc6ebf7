// A node's jobs: the one that is under way with what it waits for, and those before it.

import { el, empty, keyed, mark, panel, say } from "./dom.js";
import { jobRow, jobHead } from "./job_row.js";
import { span, until } from "./words.js";

const MOST = 10;

export function jobsPanel(context) {
  const { model, name } = context;
  const stage = el("strong", {});
  const waits = el("span", {});
  const limit = el("span", { class: "sub" });
  const current = el("div", { class: "current" }, el("p", {}, stage, " ", waits), limit);
  const rows = el("tbody");
  const table = el("table", { class: "jobs" }, jobHead(false), rows);
  const none = empty("");
  const { root } = panel("Jobs", { wide: true }, current, table, none);
  const timer = setInterval(() => drawCurrent(model.jobOf(name)), 1000);

  function drawCurrent(job) {
    current.hidden = !job;
    if (!job) return;
    say(stage, `Job ${job.id}, ${job.kind}: ${job.stage || job.state}.`);
    say(waits, job.waits_for ? `Waits for ${job.waits_for}` : "Its next turn is due.");
    const now = Date.now() / 1000;
    const left = job.deadline ? `${span(job.deadline - now)} left, until ${until(job.deadline)}` : "";
    say(limit, [job.since && `for ${span(Math.max(0, now - job.since))}`, left, job.cancelling && "is being cancelled"].filter(Boolean).join(" · "));
    mark(limit, "data-late", job.deadline && job.deadline < now);
  }

  return {
    root,
    leave: () => clearInterval(timer),
    update() {
      const running = model.jobOf(name);
      const others = [...model.jobs.values()].filter((job) => job.node === name && job.id !== running?.id);
      const jobs = others.sort((a, b) => b.id - a.id).slice(0, MOST);
      drawCurrent(running);
      table.hidden = !jobs.length;
      say(none, jobs.length || running ? "" : model.jobsAbsent ? notHere(model.jobsAbsent) : "No job was asked for yet.");
      keyed(rows, jobs, (job) => job.id, () => jobRow(context, false));
    },
  };
}

/** Why something is not shown. */
export const notHere = (problem) => (problem.absent ? "Not available: this server does not offer it." : `Not available: ${problem.message}`);
