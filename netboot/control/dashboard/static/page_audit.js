// The audit log, for admins: who changed what, and how it went.

import * as api from "./api.js";
import { badge, el, empty, fill } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { dated } from "./words.js";

const MOST = 200;

export function auditPage() {
  const body = el("div", {}, empty("Reading…"));
  const root = el("div", {}, el("h1", { tabindex: -1 }, "Audit"), body);
  read();

  async function read() {
    try {
      fill(body, shown(await api.audit({ limit: MOST })));
    } catch (problem) {
      fill(body, empty(notHere(problem)));
    }
  }
  return { title: "Audit", root, moved: () => true };
}

function shown(entries) {
  if (!entries.length) return empty("Nothing was changed yet.");
  const head = ["Time", "Who", "What", "Result"].map((text) => el("th", { scope: "col" }, text));
  return el("table", { class: "audit" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, entries.map(row)));
}

function row(entry) {
  const { status } = entry;
  return el(
    "tr",
    {},
    el("td", {}, dated(entry.time)),
    el("td", {}, entry.who, el("span", { class: "sub" }, entry.origin)),
    el("td", {}, el("code", {}, `${entry.method} ${entry.route}`), entry.target && el("span", { class: "sub" }, entry.target)),
    el("td", {}, badge(status ? String(status) : "no answer", !status ? "warn" : status < 400 ? "ok" : "bad")),
  );
}
