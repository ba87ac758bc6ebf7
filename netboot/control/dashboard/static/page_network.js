// The network: where we serve, which other servers answer there, and what was dropped and why.

import * as api from "./api.js";
import { el, empty, fill, panel } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { dated, plain } from "./words.js";

const AGAIN = 10000;
/** Milliseconds between two looks. */

export function networkPage() {
  const problem = el("p", { class: "empty" });
  const interfaces = panel("Where netboot serves", { wide: true });
  const dhcp = panel("DHCP servers");
  const others = panel("Other boot servers");
  const drops = panel("Dropped, by reason", { wide: true });
  const parts = el("div", { class: "panels" }, [interfaces, dhcp, others, drops].map((one) => one.root));
  const root = el("div", {}, el("h1", { tabindex: -1 }, "Network"), problem, parts);

  async function read() {
    let found;
    try {
      found = await api.network();
    } catch (refused) {
      problem.textContent = notHere(refused);
      parts.hidden = true;
      return;
    }
    problem.textContent = found.seen ? `Looked at ${dated(found.seen)}.` : "";
    parts.hidden = false;
    fill(interfaces.body, table(found.interfaces, "No interface is served. netboot doctor says why."));
    fill(dhcp.body, table(found.dhcp_servers ?? found.dhcp, "None was seen. A machine needs one for its address."));
    fill(others.body, table(found.boot_servers ?? found.pxe_servers ?? found.others, "None was seen. That is as it should be: two of them would both answer."));
    fill(drops.body, counts(found.drops ?? found.dropped));
  }

  read();
  const timer = setInterval(() => !document.hidden && read(), AGAIN);
  return { title: "Network", root, leave: () => clearInterval(timer), moved: () => true };
}

const named = (key) => key.replaceAll("_", " ");

/** Whatever is known of each thing in a list, a column for each key. */
function table(list, none) {
  if (!list?.length) return empty(none);
  const rows = list.map((one) => (typeof one === "object" ? one : { name: one }));
  const keys = [...new Set(rows.flatMap(Object.keys))];
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, keys.map((key) => el("th", { scope: "col" }, named(key))))),
    el("tbody", {}, rows.map((one) => el("tr", {}, keys.map((key) => el("td", {}, shown(key, one[key])))))),
  );
}

const shown = (key, value) => (["time", "seen", "first", "last"].includes(key) && typeof value === "number" ? dated(value) : plain(value));

function counts(found) {
  const all = Object.entries(found ?? {}).filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  if (!all.length) return empty("Nothing was dropped.");
  const most = all[0][1];
  return el(
    "table",
    { class: "counts" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Reason"), el("th", { scope: "col" }, "Packets, requests and events"))),
    el(
      "tbody",
      {},
      all.map(([reason, count]) =>
        el("tr", {}, el("th", { scope: "row" }, reason), el("td", {}, el("meter", { max: most, value: count, "aria-label": reason }), ` ${count.toLocaleString()}`)),
      ),
    ),
  );
}
