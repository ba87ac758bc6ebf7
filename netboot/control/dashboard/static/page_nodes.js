// Every node with its state and how far it has booted; first of all those that need somebody.

import { may, perform } from "./actions.js";
import { badge, button, el, empty, fill, keyed, mark, say } from "./dom.js";
import { told, underWay } from "./boots.js";
import { attentionPanel } from "./attention.js";
import { matches, sections } from "./filter.js";
import { strangersPanel } from "./strangers.js";
import { bootStrip, stripHead } from "./strip.js";
import { welcome } from "./welcome.js";
import { counted, moved as timed, since, stateTone } from "./words.js";

const order = new Intl.Collator("en", { numeric: true });
const byName = (one, other) => order.compare(one.name, other.name);

export function nodesPage(context) {
  const { model, session, query } = context;
  const filter = asked(query);
  const chosen = new Set();
  const heading = el("h1", { tabindex: -1 }, "Nodes");
  const search = el("input", {
    type: "search",
    id: "search",
    value: filter.text,
    placeholder: "Name, MAC, profile, state or label=value",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => refilter({ text: search.value }),
  });
  const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Show" });
  const attention = attentionPanel(model);
  const rows = el("tbody");
  const all = el("input", { type: "checkbox", "aria-label": "Choose all that are shown", onchange: chooseAll });
  const table = el("table", { class: "nodes" }, head(all, session), rows);
  const none = empty("");
  const bulk = bulkBar(context, chosen, () => choose([]));
  const strangers = strangersPanel(context);
  const list = el(
    "div",
    {},
    attention.root,
    el("div", { class: "filters" }, el("label", { for: "search", class: "unseen" }, "Filter nodes"), search, tabs),
    table,
    none,
  );
  const first = welcome();
  const problem = el("p", { class: "hindrance", role: "alert" });
  const reading = empty("Reading…");
  const root = el("div", {}, heading, problem, reading, list, first, strangers.root, bulk.root);

  function refilter(change) {
    Object.assign(filter, change);
    const search = new URLSearchParams(Object.entries({ q: filter.text, show: filter.section === "all" ? "" : filter.section }).filter(([, value]) => value));
    history.replaceState(null, "", `#/${search.size ? `?${search}` : ""}`);
    draw();
  }

  function shownNodes() {
    const now = Date.now() / 1000;
    const inSection = sections(model, now).find((one) => one.key === filter.section)?.has ?? (() => true);
    return [...model.nodes.values()].filter((node) => inSection(node) && matches(node, filter.text)).sort(byName);
  }

  function choose(names) {
    chosen.clear();
    for (const name of names) chosen.add(name);
    draw();
  }

  function chooseAll() {
    choose(all.checked ? shownNodes().map((node) => node.name) : []);
  }

  function toggle(name) {
    if (!chosen.delete(name)) chosen.add(name);
    draw();
  }

  function draw() {
    say(problem, model.problem?.message ?? "");
    reading.hidden = model.settled;
    list.hidden = !model.nodes.size || !model.settled;
    first.hidden = model.nodes.size > 0 || !model.settled || Boolean(model.problem);
    root.classList.toggle("beginning", !first.hidden);
    strangers.update();
    strangers.root.hidden = model.nodes.size > 0 ? filter.section !== "discovered" : first.hidden;
    for (const name of chosen) if (!model.nodes.has(name)) chosen.delete(name);
    drawTabs();
    attention.update();
    const found = shownNodes();
    keyed(rows, found, (node) => node.name, () => nodeRow(model, session, toggle));
    for (const row of rows.rows) row.querySelector("input") && (row.querySelector("input").checked = chosen.has(row.dataset.name));
    table.hidden = !found.length;
    say(none, found.length || filter.section === "discovered" ? "" : "No node is like that.");
    all.checked = found.length > 0 && found.every((node) => chosen.has(node.name));
    all.indeterminate = !all.checked && found.some((node) => chosen.has(node.name));
    bulk.update();
  }

  function drawTabs() {
    const found = sections(model, Date.now() / 1000).filter((one) => one.always || one.count || one.key === filter.section);
    keyed(tabs, found, (one) => one.key, (one) => {
      const count = el("span", { class: "count" });
      const root = button(one.name, () => refilter({ section: one.key }), { kind: "tab" });
      root.append(count);
      return {
        root,
        update: (now) => {
          say(count, String(now.count));
          mark(root, "aria-pressed", String(filter.section === now.key));
          mark(root, "data-tone", now.count ? now.tone : null);
        },
      };
    });
  }

  function moved(query) {
    Object.assign(filter, asked(query));
    search.value = filter.text;
    draw();
    return true;
  }

  draw();
  return { title: "Nodes", root, leave: model.watch(draw), moved };
}

const asked = (query) => ({ text: query.get("q") ?? "", section: query.get("show") ?? "all" });

function head(all, session) {
  return el(
    "thead",
    {},
    el(
      "tr",
      {},
      may(session, "operate") && el("th", { class: "choose", scope: "col" }, all),
      el("th", { scope: "col" }, "Node"),
      el("th", { scope: "col" }, "State"),
      el("th", { scope: "col", class: "boot" }, el("span", { class: "unseen" }, "Boot"), stripHead()),
      el("th", { scope: "col" }, "Last boot"),
    ),
  );
}

function nodeRow(model, session, toggle) {
  const name = el("a", {});
  const macs = el("span", { class: "sub" });
  const labels = el("span", { class: "labels" });
  const box = may(session, "operate") && el("input", { type: "checkbox" });
  const state = badge("");
  const strip = bootStrip();
  const words = el("span", { class: "told" });
  const time = since(0);
  const waits = el("span", { class: "sub one-line" });
  const root = el(
    "tr",
    {},
    box && el("td", { class: "choose" }, box),
    el("th", { scope: "row" }, el("span", { class: "name" }, name, labels), macs),
    el("td", { class: "state" }, state, waits),
    el("td", { class: "boot" }, strip.root),
    el("td", { class: "last" }, words, time),
  );
  return {
    root,
    update(node) {
      root.dataset.name = node.name;
      if (box) {
        mark(box, "aria-label", `Choose ${node.name}`);
        box.onchange = () => toggle(node.name);
      }
      mark(say(name, node.name), "href", `#/nodes/${encodeURIComponent(node.name)}`);
      say(macs, [node.profile ?? "profile of its group", node.macs[0]].filter(Boolean).join(" · "));
      keyed(labels, Object.entries(node.labels), ([key]) => key, () => label());
      mark(say(state, node.state), "data-tone", stateTone(node.state));
      const job = model.jobOf(node.name);
      say(waits, job ? `${job.kind}: ${job.stage || job.state}` : "");
      mark(waits, "title", job?.waits_for ? `waits for ${job.waits_for}` : null);
      const boot = model.boot(node.name);
      strip.update(boot);
      say(words, boot || model.read(node.name) ? told(boot) : "");
      mark(words, "data-tone", boot?.trouble ? "bad" : underWay(boot) ? "busy" : "quiet");
      time.hidden = !boot;
      if (boot) timed(time, boot.last);
    },
  };
}

function label() {
  const root = el("span", { class: "label" });
  return { root, update: ([key, value]) => say(root, value ? `${key}=${value}` : key) };
}

/** What can be done with all chosen nodes; a bar at the bottom that moves nothing. */
function bulkBar(context, chosen, clear) {
  const count = el("span", { class: "count" });
  const nodes = () => [...chosen].map((name) => context.model.nodes.get(name)).filter(Boolean);
  const act = (action) => async () => (await perform(action, nodes(), context)) && clear();
  const root = el(
    "div",
    { class: "bulk", role: "region", "aria-label": "Chosen nodes", hidden: true },
    count,
    button("Install…", act("install"), { kind: "main" }),
    button("Power on…", act("on")),
    button("Power off…", act("off"), { kind: "risky" }),
    button("Power cycle…", act("cycle"), { kind: "risky" }),
    button("Choose none", clear),
  );
  return {
    root,
    update() {
      root.hidden = !chosen.size;
      fill(count, `${counted(chosen.size, "node")} chosen`);
    },
  };
}
