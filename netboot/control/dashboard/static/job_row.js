// One job as a row: what it is, how far, what it waits for, and how it ended.

import { hindrance, may, performOnJob } from "./actions.js";
import { badge, button, el, mark, say } from "./dom.js";
import { jobTone, moved, since, until } from "./words.js";

/** The heading of a table of jobs; `named`: with the node of each. */
export const jobHead = (named) =>
  el(
    "thead",
    {},
    el("tr", {}, ["Job", ...(named ? ["Node"] : []), "State", "Stage", "Changed", "By", ""].map((text) =>
      text ? el("th", { scope: "col" }, text) : el("th", { scope: "col" }, el("span", { class: "unseen" }, "What can be done")),
    )),
  );

export function jobRow(context, named) {
  let job = null;
  const number = el("span", {});
  const node = el("a", {});
  const state = badge("");
  const stage = el("span", {});
  const detail = el("span", { class: "sub" });
  const time = since(0);
  const by = el("span", { class: "sub" });
  const cancel = button("Cancel…", () => performOnJob("cancel", job, context));
  const retry = button("Retry…", () => performOnJob("retry", job, context));
  const root = el(
    "tr",
    {},
    el("th", { scope: "row" }, number),
    named && el("td", {}, node),
    el("td", {}, state),
    el("td", { class: "stage-of" }, stage, detail),
    el("td", {}, time),
    el("td", { class: "by" }, by),
    el("td", { class: "do" }, cancel, retry),
  );
  return {
    root,
    update(now) {
      job = now;
      say(number, `${job.id} ${job.kind}${job.attempt > 1 ? `, attempt ${job.attempt}` : ""}`);
      mark(say(node, job.node), "href", `#/nodes/${encodeURIComponent(job.node)}`);
      mark(say(state, job.cancelling ? "cancelling" : job.state), "data-tone", jobTone(job.state));
      say(stage, job.stage);
      say(detail, detailOf(job));
      moved(time, job.changed);
      say(by, job.by);
      const running = job.state === "queued" || job.state === "active";
      const operates = may(context.session, "operate");
      cancel.hidden = !operates || !running || job.cancelling;
      retry.hidden = !operates || !retriable(job, context);
      mark(cancel, "aria-label", `Cancel job ${job.id}`);
      mark(retry, "aria-label", `Retry job ${job.id}`);
    },
  };
}

function detailOf(job) {
  if (job.outcome) return job.outcome;
  if (!job.waits_for) return "";
  return `waits for ${job.waits_for}${job.deadline ? `, until ${until(job.deadline)}` : ""}`;
}

/** Only a node's newest job is tried again: an older one was followed by something else. */
function retriable(job, context) {
  if (job.state !== "failed" && job.state !== "cancelled") return false;
  const node = context.model.nodes.get(job.node);
  return Boolean(node) && context.model.newestJob(job.node)?.id === job.id && !hindrance("retry", node, context);
}
