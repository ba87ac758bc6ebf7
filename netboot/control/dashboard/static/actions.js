// What can be done to machines: who may, what hinders it, what will happen, and doing it.

import * as api from "./api.js";
import { confirmed, toast } from "./ask.js";
import { button, el, mark, say } from "./dom.js";
import { installAsked } from "./install.js";
import { several, who } from "./words.js";

const RANK = { read: 0, operate: 1, admin: 2 };

/** Whether who is signed in has at least a role. */
export const may = (session, role) => (RANK[session.role] ?? 0) >= RANK[role];

const POWER = {
  on: { name: "Power on", says: (it) => `${it} is switched on.` },
  off: {
    name: "Power off",
    danger: true,
    says: (it) => `${it} is switched off at once, without asking its system: what it has not written to disk is lost.`,
  },
  cycle: {
    name: "Power cycle",
    danger: true,
    says: (it) => `${it} is switched off at once and on again: what it has not written to disk is lost.`,
  },
  reset: {
    name: "Reset",
    danger: true,
    says: (it) => `${it} restarts at once, without asking its system: what it has not written to disk is lost.`,
  },
};

/** The actions in the order they stand on a node's page. */
export const ACTIONS = ["install", "on", "off", "cycle", "reset", "rescue", "resume", "cancel", "retry"];

const NAMES = {
  install: "Install…",
  on: "Power on…",
  off: "Power off…",
  cycle: "Power cycle…",
  reset: "Reset…",
  rescue: "Rescue…",
  resume: "Back to service…",
  cancel: "Cancel job…",
  retry: "Retry job…",
};

/** The states that interrupt a life, and the command whose --off ends each. */
const OUT_OF_SERVICE = { rescue: "rescue", maintenance: "maintenance", retired: "retire" };
/** The states of netboot/lifecycle.py from which a rescue begins; an installation also begins anew. */
const INTERRUPTED = ["enrolled", "inspecting", "available", "installed", "failed"];
const INSTALLABLE = [...INTERRUPTED, "installing", "reinstalling"];

/** Why an action cannot be asked for now, one sentence; "" where it can. */
export function hindrance(action, node, { model, session }) {
  if (!may(session, "operate")) return `Your token may only read; this needs the role operate.`;
  if (action in POWER) return noBmc(node, model);
  const job = model.jobOf(node.name);
  if (action === "cancel") return job ? "" : absent(model) || `No job of ${node.name} is under way.`;
  if (action === "retry") return retryHindrance(node, model, job);
  if (job && job.kind !== "power" && job.kind !== "inspect") return `Job ${job.id} (${job.kind}) is under way.`;
  if (action === "resume") return node.state in OUT_OF_SERVICE ? "" : `${node.name} is in service.`;
  if (node.state in OUT_OF_SERVICE) return `${node.name} is out of service (${node.state}).`;
  if (action === "rescue") return INTERRUPTED.includes(node.state) ? absent(model) : `${node.name} is ${node.state}.`;
  return installHindrance(node, model);
}

const absent = (model) => (model.jobsAbsent?.absent ? "This server has no jobs." : "");

function noBmc(node, model) {
  if (!model.bmcs || node.name in model.bmcs) return "";
  return `${node.name} has no BMC: netboot node set ${node.name} --bmc URL says where it is.`;
}

function retryHindrance(node, model, job) {
  if (job) return `Job ${job.id} (${job.kind}) is under way.`;
  const newest = model.newestJob(node.name);
  if (!newest) return absent(model) || `${node.name} has had no job.`;
  return newest.state === "done" ? `Job ${newest.id}, its newest, is done.` : "";
}

function installHindrance(node, model) {
  if (!INSTALLABLE.includes(node.state)) return `${node.name} is ${node.state}.`;
  const profile = profileOf(node, model);
  if (profile && !profile.installs) return `Its profile ${profile.name} installs nothing.`;
  return "";
}

const profileOf = (node, model) => model.profiles?.find((one) => one.name === node.profile);

/** Buttons for a node, each with its reason where it cannot be pressed; `update(node)` follows. */
export function actionBar(context) {
  let node = null;
  const why = el("p", { class: "why", id: "why" });
  const buttons = new Map(ACTIONS.map((action) => [action, actionButton(action)]));
  const root = el(
    "div",
    { class: "actions", role: "group", "aria-label": "Actions" },
    el("div", { class: "buttons" }, [...buttons.values()].map((one) => one.root)),
    why,
  );

  function actionButton(action) {
    const reason = el("span", { class: "unseen", id: `why-${action}` });
    const pressed = () => {
      const hindered = hindrance(action, node, context);
      if (hindered) toast(hindered, "warn");
      else perform(action, [node], context);
    };
    const made = button(NAMES[action], pressed, {
      kind: action === "install" ? "main" : action in POWER && POWER[action].danger ? "risky" : "plain",
      "aria-describedby": reason.id,
    });
    return { root: el("span", { class: "act" }, made, reason), made, reason };
  }

  return {
    root,
    update(now) {
      node = now;
      const reasons = new Map();
      for (const [action, one] of buttons) {
        const hindered = hindrance(action, node, context);
        mark(one.made, "aria-disabled", hindered ? "true" : null);
        mark(one.made, "title", hindered || null);
        say(one.reason, hindered);
        if (hindered) reasons.set(hindered, [...(reasons.get(hindered) ?? []), NAMES[action].replace("…", "")]);
      }
      say(why, [...reasons].map(([reason, names]) => `${names.join(", ")}: ${reason}`).join(" "));
    },
  };
}

/** Ask, then do it; gives whether it was done. */
export async function perform(action, nodes, context) {
  if (action === "cancel" || action === "retry") return performOnJob(action, jobFor(action, nodes[0], context), context);
  const asked = action in POWER ? powerAsked(action, nodes) : await ASKED[action](nodes, context);
  if (!(await confirmed(asked))) return false;
  return done(asked.title.replace("?", ""), () => asked.act(), context);
}

function jobFor(action, node, { model }) {
  return action === "cancel" ? model.jobOf(node.name) : model.newestJob(node.name);
}

/** Cancel a job or try it again, once that is confirmed. */
export async function performOnJob(action, job, context) {
  const of = `job ${job.id} (${job.kind} of ${job.node})`;
  const asked =
    action === "cancel"
      ? {
          title: `Cancel ${of}?`,
          says: ["The turn that is running is finished first. What the machine does by then, it goes on doing."],
          does: "Cancel the job",
          danger: true,
          shell: `netboot job cancel ${job.id}`,
          act: () => api.cancelJob(job.id),
        }
      : {
          title: `Retry ${of}?`,
          says: [`It goes on from where it stood${job.stage ? `: ${job.stage}` : ""}.`],
          does: "Retry the job",
          shell: `netboot job retry ${job.id}`,
          act: () => api.retryJob(job.id),
        };
  if (!(await confirmed(asked))) return false;
  return done(asked.title.replace("?", ""), asked.act, context);
}

const listed = (nodes) => nodes.map((node) => node.name).join(" ");

function powerAsked(action, nodes) {
  const power = POWER[action];
  const it = nodes.length === 1 ? nodes[0].name : "Each of them";
  return {
    title: `${power.name} ${who(nodes)}?`,
    says: [power.says(it)],
    fields: [several(nodes)],
    does: `${power.name} ${who(nodes)}`,
    danger: power.danger,
    shell: nodes.map((node) => `netboot node power ${node.name} ${action}`).join("\n"),
    act: () =>
      nodes.length === 1
        ? api.setPower(nodes[0].name, action)
        : api.submit("power", nodes.map((node) => node.name), { action }),
  };
}

const ASKED = {
  install: installAsked,
  resume([node]) {
    return {
      title: `Put ${node.name} back to service?`,
      says: [`It goes back from ${node.state} to what it was before. What the machine does right now, it goes on doing.`],
      does: `Put ${node.name} back to service`,
      shell: `netboot node ${OUT_OF_SERVICE[node.state]} ${node.name} --off`,
      act: () => api.changeState([node.name], "resume"),
    };
  },
  rescue(nodes) {
    return {
      title: `Rescue ${who(nodes)}?`,
      says: [
        `${nodes.length === 1 ? nodes[0].name : "Each of them"} is restarted at once into a rescue system from the network. Its disk is not touched.`,
      ],
      fields: [several(nodes)],
      does: `Restart ${who(nodes)} into rescue`,
      danger: true,
      shell: `netboot node rescue ${listed(nodes)}`,
      act: () => api.submit("rescue", nodes.map((node) => node.name)),
    };
  },
};

async function done(what, act, { model }) {
  const waiting = toast(`${what}: asked…`, "busy");
  try {
    const answer = await act();
    waiting.remove();
    toast(answer?.words ? `${answer.node}: ${answer.words}` : `${what}: asked for`);
    return true;
  } catch (problem) {
    waiting.remove();
    toast(`${what}: ${problem.message}`, "bad");
    return false;
  } finally {
    model.refresh();
  }
}
