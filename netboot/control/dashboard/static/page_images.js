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
  const { text, tone, why, cure } = freshness(image);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, image.name, image.title && el("span", { class: "sub" }, image.title)),
    el("td", {}, el("code", {}, image.version ?? "–")),
    el("td", {}, image.fetched_at ? dated(image.fetched_at) : "–", image.size && el("span", { class: "sub" }, size(image.size))),
    el("td", {}, badge(text, tone), why && el("span", { class: "sub" }, why), cure && el("code", { class: "sub" }, cure)),
  );
}

const size = (bytes) => (bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`);

const FITS = {
  fits: { text: "fits its mirror", tone: "ok" },
  outdated: { text: "outdated", tone: "bad" },
  "no-index": { text: "no mirror for it", tone: "warn" },
  "no-udebs": { text: "mirror incomplete", tone: "warn" },
  unknown: { text: "not compared", tone: "quiet" },
};

/** How an image stands beside what its mirror has. */
function freshness(image) {
  if (!image.version) return { text: "not fetched", tone: "quiet", cure: `netboot image fetch ${image.name}` };
  if (image.own) return { text: "your own", tone: "quiet", why: "Added by hand: no mirror has it." };
  if (!image.judged) return { text: "not compared yet", tone: "quiet", why: "Its mirror is being asked; look again." };
  const { fit, what, cure, at } = image.judged;
  return { ...(FITS[fit] ?? FITS.unknown), why: `${what} (${dated(at)})`, cure: fit === "fits" ? "" : cure };
}
