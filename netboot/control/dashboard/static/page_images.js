// Images: which version of each is served, and whether the mirror has a newer one.

import * as api from "./api.js";
import { badge, command, el, empty, fill } from "./dom.js";
import { notHere } from "./node_jobs.js";
import { dated } from "./words.js";

export function imagesPage() {
  const body = el("div", {}, empty("Reading…"));
  const root = el("div", {}, el("h1", { tabindex: -1 }, "Images"), body);
  read();

  async function read() {
    try {
      fill(body, shown(await api.images()));
    } catch (problem) {
      fill(body, empty(notHere(problem)));
    }
  }
  return { title: "Images", root, moved: () => true };
}

function shown(images) {
  if (!images.length) return [empty("No image was fetched yet."), command("sudo netboot image fetch")];
  const head = ["Image", "Version", "Fetched", "Freshness"].map((text) => el("th", { scope: "col" }, text));
  return el("table", { class: "images" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, images.map(row)));
}

function row(image) {
  const { text, tone, why } = freshness(image);
  const when = image.fetched_at ?? image.fetched;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, image.name ?? image.image, image.description && el("span", { class: "sub" }, image.description)),
    el("td", {}, el("code", {}, image.version ?? "–")),
    el("td", {}, when ? dated(when) : "–"),
    el("td", {}, badge(text, tone), why && el("span", { class: "sub" }, why)),
  );
}

/** How an image stands beside what the mirror has. */
function freshness(image) {
  if (image.problem) return { text: "broken", tone: "bad", why: image.problem };
  if (!image.version) return { text: "not fetched", tone: "quiet", why: `netboot image fetch ${image.name}` };
  const newer = image.newer ?? (image.newest && image.newest !== image.version ? image.newest : null);
  if (newer) return { text: "older than the mirror’s", tone: "warn", why: `${newer} is there: netboot image fetch ${image.name}` };
  if (image.fresh === false) return { text: "older than the mirror’s", tone: "warn", why: `netboot image fetch ${image.name}` };
  if (image.newest || image.fresh === true) return { text: "current", tone: "ok", why: "" };
  return { text: "not compared", tone: "quiet", why: image.own ? "added by hand: no mirror has it" : "" };
}
