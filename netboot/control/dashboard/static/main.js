// The shell of the dashboard: who is signed in, which page is open, and news for it.

import * as api from "./api.js";
import { announce, toast } from "./ask.js";
import { button, el, fill, mark, say } from "./dom.js";
import { Live } from "./live.js";
import { Model } from "./model.js";
import { auditPage } from "./page_audit.js";
import { imagesPage } from "./page_images.js";
import { jobsPage } from "./page_jobs.js";
import { networkPage } from "./page_network.js";
import { nodePage } from "./page_node.js";
import { nodesPage } from "./page_nodes.js";
import { signInPage } from "./page_sign_in.js";
import { STAGES, barOf } from "./boots.js";
import { tick } from "./words.js";

const NAV = [
  { path: "", name: "Nodes", page: nodesPage },
  { path: "jobs", name: "Jobs", page: jobsPage },
  { path: "network", name: "Network", page: networkPage },
  { path: "images", name: "Images", page: imagesPage },
  { path: "audit", name: "Audit", page: auditPage, role: "admin" },
];
const FIRST_NEWS = 2000;
/** Milliseconds the stream gets to begin before the pages are filled without it. */
const LIVE_WORDS = {
  live: "Live",
  looking: "Every 3 s",
  away: "Reconnecting",
};

const model = new Model();
const live = new Live({
  events: (list) => model.news(list),
  state: showLive,
  opened: (again) => again && model.load(),
  look: async () => {
    await model.refresh();
    if (model.problem) throw model.problem;
    await model.catchUp();
  },
});
const main = document.getElementById("main");
const liveSign = el("span", { class: "live", data: { is: "away" }, role: "status" }, "Connecting");
let session = null;
let open = null;
let known = () => {};

/** Where the address points: `#/nodes/n1?q=x` is page "nodes", name "n1". */
function place() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/");
  return { page, name: rest.map(decoded).join("/"), query: new URLSearchParams(search) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address typed by hand
  }
}

function show({ focus = true } = {}) {
  if (!session) return;
  const at = place();
  if (open && open.page === at.page && open.name === at.name && open.moved?.(at.query)) return;
  open?.leave?.();
  const entry = NAV.find((one) => one.path === at.page);
  const context = { model, session, name: at.name, query: at.query };
  const made = at.page === "nodes" && at.name ? nodePage(context) : (entry?.page ?? lost)(context);
  open = { ...made, ...at };
  document.title = `${made.title} · netboot`;
  fill(main, made.root);
  for (const link of document.querySelectorAll("#nav a")) {
    const here = link.dataset.path === at.page || (link.dataset.path === "" && at.page === "nodes");
    mark(link, "aria-current", here ? "page" : null);
  }
  if (focus) {
    scrollTo(0, 0);
    (main.querySelector("h1") ?? main).focus({ preventScroll: true });
  }
}

function lost() {
  const root = el("div", {}, el("h1", { tabindex: -1 }, "No such page"), el("p", {}, el("a", { href: "#/" }, "All nodes")));
  return { title: "No such page", root };
}

function showLive(state) {
  known();
  mark(liveSign, "data-is", state);
  say(liveSign, LIVE_WORDS[state]);
}

function shell() {
  const links = NAV.filter((one) => !one.role || session.role === one.role);
  fill(
    document.getElementById("nav"),
    links.map((one) => el("a", { href: `#/${one.path}`, data: { path: one.path } }, one.name)),
  );
  const out = button("Sign out", signOut);
  const who = session.name && el("span", { class: "who" }, `${session.name} · ${session.role}`);
  fill(document.getElementById("top-end"), liveSign, who, session.asked && out);
}

async function signOut() {
  try {
    await api.signOut();
  } catch (problem) {
    toast(`Sign out: ${problem.message}`, "bad");
    return;
  }
  askWho();
}

/** The sign-in page, in the place of everything. */
function askWho() {
  session = null;
  live.stop();
  model.stop();
  open?.leave?.();
  open = null;
  fill(document.getElementById("nav"));
  fill(document.getElementById("top-end"));
  document.title = "Sign in · netboot";
  const page = signInPage(begin);
  fill(main, page.root);
  page.field.focus();
}

/** Who we are: "asked" where the server wants a token; a server that asks nobody lets all do all. */
async function whoAmI() {
  try {
    return { ...(await api.session()), asked: true };
  } catch (problem) {
    if (problem.absent) return { name: "", role: "admin", asked: false };
    throw problem;
  }
}

async function begin() {
  try {
    session = await whoAmI();
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) askWho();
    else {
      fill(main, el("h1", { tabindex: -1 }, "netboot"), el("p", { role: "alert" }, problem.message), button("Try again", begin, { kind: "main" }));
    }
    return;
  }
  shell();
  mark(main, "aria-busy", "true");
  const told = new Promise((resolve) => (known = resolve));
  live.start();
  show({ focus: false });
  // what happens from here on comes by the stream, so what happened before is read after it began
  await Promise.race([told, new Promise((resolve) => setTimeout(resolve, FIRST_NEWS))]);
  await model.load();
  mark(main, "aria-busy", null);
}

const NEWS = {
  installed: (name) => `${name} is installed`,
  stalled: (name, boot) => `${name} stalled at ${STAGES[boot.trouble?.at ?? barOf(boot)].name}`,
  failed: (name, boot) => `${name} failed at ${STAGES[boot.trouble?.at ?? barOf(boot)].name}`,
};

/** Of every machine what matters, of the one that is open each stage. */
model.listen((event, name) => {
  const boot = model.boot(name);
  if (boot && NEWS[event.kind]) announce(NEWS[event.kind](name, boot));
  else if (boot && open?.page === "nodes" && open.name === name && boot.last === event.time) {
    announce(`${name}: ${STAGES[barOf(boot)].name}`);
  }
});

api.onRefused(() => session && askWho());
addEventListener("hashchange", () => show());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
setInterval(tick, 1000);
begin();
