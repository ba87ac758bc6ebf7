// The network: where we serve, which other servers answer there, and what was dropped and why.

import * as api from "./api.js";
import { badge, el, empty, fill, panel, say } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { since } from "./words.js";

const AGAIN = 10000;
/** Milliseconds between two looks. */

export function networkPage() {
  const problem = el("p", { class: "empty" });
  const serving = panel("Where netboot serves");
  const taken = panel("DHCP servers machines took");
  const surveyed = panel("Servers that answered when netboot looked round", { wide: true });
  const drops = panel("Dropped, by reason", { wide: true });
  const parts = el("div", { class: "panels" }, [serving, taken, surveyed, drops].map((one) => one.root));
  const root = el("div", {}, el("h1", { tabindex: -1 }, "Network"), problem, parts);

  async function read() {
    let found;
    try {
      found = await api.network();
    } catch (refused) {
      say(problem, notHere(refused));
      parts.hidden = true;
      return;
    }
    say(problem, "");
    parts.hidden = false;
    fill(serving.body, interfaces(found));
    fill(taken.body, offering(found.dhcp_servers));
    fill(surveyed.body, answering(found.surveyed));
    fill(drops.body, counts(found.dropped));
  }

  read();
  const timer = setInterval(() => !document.hidden && read(), AGAIN);
  return { title: "Network", root, leave: () => clearInterval(timer), moved: () => true };
}

function interfaces({ boot_programs: programs, interfaces: found }) {
  if (!programs) return el("p", { class: "hindrance" }, "No boot program is connected: no machine is answered. netboot serve starts one.");
  return table(["Interface", "Our address"], Object.entries(found), "Which interfaces it serves is not known yet.");
}

const offering = (servers) =>
  table(
    ["Address", "Taken", "Last"],
    servers.map((one) => [one.address, `${one.times} times`, since(one.last)]),
    "No machine took an address yet while netboot served.",
  );

const ROLES = {
  dhcp: ["DHCP", "ok"],
  "dhcp-with-boot-options": ["DHCP with boot options of its own", "warn"],
  pxe: ["another PXE server", "bad"],
};

const answering = (servers) =>
  table(
    ["What", "Address", "MAC", "Interface", "Boots", "Seen"],
    servers.map((one) => [badge(...(ROLES[one.role] ?? [one.role])), one.address, el("code", {}, one.mac), one.interface, one.bootfile, since(one.at)]),
    "None was seen. A machine needs a DHCP server for its address, and no other PXE server: two would both answer.",
  );

/** Rows below their names; `none` where there are none. */
function table(names, rows, none) {
  if (!rows.length) return empty(none);
  return el(
    "table",
    { class: "plain" },
    el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))))),
  );
}

function counts(found) {
  const all = Object.entries(found).filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  const most = all[0]?.[1];
  return table(
    ["Reason", "Packets, requests and events"],
    all.map(([reason, count]) => [reason, [el("meter", { max: most, value: count, "aria-label": reason }), ` ${count.toLocaleString()}`]]),
    "Nothing was dropped.",
  );
}
