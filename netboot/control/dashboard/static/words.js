// Times, durations and the names things have for people.

import { el, say } from "./dom.js";

const clockFormat = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

/** Time of day of epoch seconds, such as 16:45:06. */
export const clock = (seconds) => clockFormat.format(seconds * 1000);

/** Date and time of epoch seconds, or of an ISO text. */
export const dated = (when) => dayFormat.format(typeof when === "number" ? when * 1000 : new Date(when));

/** Until when: the time of day, with its date where that is another day. */
export const until = (seconds) =>
  new Date(seconds * 1000).toDateString() === new Date().toDateString() ? clock(seconds) : dated(seconds);

/** A span of seconds, such as 3.2 s, 45 s, 4 min 10 s, 3 h 20 min. */
export function span(seconds) {
  const size = Math.abs(seconds);
  const sign = seconds < 0 ? "−" : "";
  if (size < 10) return `${sign}${size.toFixed(1)} s`;
  if (size < 120) return `${sign}${Math.round(size)} s`;
  if (size < 3600) return `${sign}${Math.floor(size / 60)} min ${Math.round(size % 60)} s`;
  if (size < 172800) return `${sign}${Math.floor(size / 3600)} h ${Math.floor((size % 3600) / 60)} min`;
  return `${sign}${Math.floor(size / 86400)} days`;
}

/** How long ago, in few characters. */
export function ago(seconds, now = Date.now() / 1000) {
  const past = now - seconds;
  if (past < 5) return "just now";
  if (past < 120) return `${Math.floor(past)} s ago`;
  if (past < 7200) return `${Math.floor(past / 60)} min ago`;
  if (past < 172800) return `${Math.floor(past / 3600)} h ago`;
  return `${Math.floor(past / 86400)} days ago`;
}

/** A time that stays true: "12 s ago", with the date to hover. */
export function since(seconds) {
  const made = el("time", { data: { since: "" } });
  return moved(made, seconds);
}

/** Let such a time say another one. */
export function moved(made, seconds) {
  if (made.dataset.since !== String(seconds)) {
    made.dataset.since = seconds;
    made.dateTime = new Date(seconds * 1000).toISOString();
    made.title = dated(seconds);
  }
  return say(made, ago(seconds));
}

/** Every such time on the page says how long ago it is by now. */
export function tick() {
  const now = Date.now() / 1000;
  for (const made of document.querySelectorAll("time[data-since]")) say(made, ago(Number(made.dataset.since), now));
}

/** "1 node", "3 nodes". */
export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Whatever a value is, as a line. */
export const plain = (value) =>
  value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

const TONES = {
  installed: "ok",
  available: "ok",
  installing: "busy",
  reinstalling: "busy",
  inspecting: "busy",
  wiping: "busy",
  rescue: "warn",
  maintenance: "warn",
  failed: "bad",
};

/** The colour of a node's state. */
export const stateTone = (state) => TONES[state] ?? "quiet";

const JOB_TONES = { queued: "quiet", active: "busy", done: "ok", failed: "bad", cancelled: "quiet" };

/** The colour of a job's state. */
export const jobTone = (state) => JOB_TONES[state] ?? "quiet";

const BAD = new Set(["failed", "stalled", "alarm", "lost"]);
const NEUTRAL = new Set(["ignored", "probe", "not-served", "request-4011", "console", "syslog"]);
const CAME_BAD = new Set(["failed", "refused"]);
const CAME_GOOD = new Set(["done", "ok"]);

/** How an event went: ok, bad or neutral, as `netboot timeline` marks it. */
export function tone(event) {
  const came = event.data?.came;
  if (BAD.has(event.kind)) return "bad";
  if (event.kind === "bmc" || event.kind === "job") {
    return CAME_BAD.has(came) ? "bad" : CAME_GOOD.has(came) ? "ok" : "neutral";
  }
  if (event.kind === "state" && event.data?.to === "failed") return "bad";
  return NEUTRAL.has(event.kind) ? "neutral" : "ok";
}

const KINDS = {
  discover: "DISCOVER",
  offer: "OFFER",
  "request-4011": "4011 request",
  "ack-4011": "4011",
  bmc: "BMC",
  script: "iPXE script",
  override: "boot override",
  media: "virtual media",
  "not-served": "not served",
};

/** An event's kind for people. */
export const kindName = (kind) => KINDS[kind] ?? kind;

/** Nodes in a word or two. */
export const who = (nodes) => (nodes.length === 1 ? nodes[0].name : counted(nodes.length, "node"));

/** Their names, where they are several. */
export const several = (nodes) => nodes.length > 1 && el("p", { class: "names" }, nodes.map((node) => node.name).join(", "));
