// What the pages show: nodes, their events and boots, jobs, and machines nobody registered.

import * as api from "./api.js";
import { boots } from "./boots.js";

const MAX_EVENTS = 400;
/** Events of one node that are kept for its boots; a whole boot is some dozens. */
const MAX_LINES = 20;
/** Lines of its installer's log and its console likewise. */
const MAX_LOOKED_AT = 1000;
/** Of each of the two, of the node whose page is open. */
const FIRST_LOOK = 100;
/** Events asked of each node when the page opens. */
const FEW = 5;
/** New nodes whose timelines are asked for one by one; a browser opens six connections to one server. */
const MAX_STRANGERS = 200;
/** Machines nobody registered that are kept. */
const LONG_ENOUGH = 1500;
/** Milliseconds in which everything is to be read before what there is by then is shown. */
const TOLD_AFTER = 80;
/** Milliseconds in which changes are gathered before the pages are told. */
const REFRESH = 20000;
/** Milliseconds between two looks at the list of nodes: a change by hand is in no timeline. */

const REFRESH_SOON = 250;
/** Milliseconds after an event that changes a node until that list is read. */

const MOVES_NODES = new Set(["state", "installed", "script", "override", "job"]);
const NOT_ITS_OWN = new Set(["lost"]);
const LINES = new Set(["syslog", "console"]);

export class Model {
  nodes = new Map();
  jobs = new Map();
  strangers = new Map();
  profiles = null;
  bmcs = null;
  loaded = false;
  settled = false;
  jobsAbsent = null;
  problem = null;
  #events = new Map();
  #boots = new Map();
  #names = new Map();
  #watchers = new Set();
  #heard = new Set();
  #changed = new Set();
  #looked = new Set();
  #read = new Set();
  #newest = 0;
  #told = null;
  #again = null;
  #watched = null;
  #refresh = null;

  /** Call `watcher(changed)` after changes, with the names of nodes, or "nodes", "jobs", "strangers". */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Call `listener(event)` for each event that is news. */
  listen(listener) {
    this.#heard.add(listener);
    return () => this.#heard.delete(listener);
  }

  events = (name) => this.#events.get(name) ?? [];
  boots = (name) => this.#boots.get(name) ?? [];
  boot = (name) => this.boots(name).at(-1) ?? null;
  read = (name) => this.#read.has(name);

  /** The job of a node that has not ended; an install before what may run beside it. */
  jobOf(name) {
    const running = [...this.jobs.values()].filter((job) => job.node === name && !job.ended && !ended(job));
    return running.find((job) => job.kind !== "power" && job.kind !== "inspect") ?? running[0] ?? null;
  }

  /** The newest job of a node, or null. */
  newestJob(name) {
    return [...this.jobs.values()].filter((job) => job.node === name).sort((a, b) => b.id - a.id)[0] ?? null;
  }

  /** Everything the first page needs; again, after the server was away, with what was missed. */
  async load() {
    clearInterval(this.#refresh);
    this.#refresh = setInterval(() => !document.hidden && this.refresh(), REFRESH);
    const again = this.loaded;
    const late = setTimeout(() => this.#settle(), LONG_ENOUGH);
    await Promise.all([this.refresh(), this.#optional()]);
    if (again) await this.catchUp();
    clearTimeout(late);
    this.#settle();
  }

  /** From here on pages are drawn: little will move them any more. */
  #settle() {
    this.settled = true;
    this.#tell("nodes");
  }

  stop() {
    clearInterval(this.#refresh);
  }

  /** The list of nodes, jobs and strangers anew. */
  async refresh() {
    await Promise.all([this.#refreshNodes(), this.refreshJobs(), this.refreshStrangers()]);
    await this.catchUp(true);
  }

  async #refreshNodes() {
    try {
      const found = await api.nodes();
      this.nodes = new Map(found.map((node) => [node.name, node]));
      this.#names = new Map(found.flatMap((node) => node.macs.map((mac) => [mac, node.name])));
      this.problem = null;
      for (const mac of this.#names.keys()) this.strangers.delete(mac);
    } catch (problem) {
      this.problem = problem;
    }
    this.loaded = true;
    this.#tell("nodes");
  }

  async refreshJobs() {
    try {
      this.jobs = new Map((await api.jobs({ limit: 200 })).map((job) => [job.id, job]));
      this.jobsAbsent = null;
    } catch (problem) {
      this.jobsAbsent = problem;
    }
    this.#tell("jobs");
  }

  async refreshStrangers() {
    try {
      for (const one of await api.discovered()) this.#stranger(one.mac, one);
    } catch {
      return; // an older server: those that are heard from now on are shown
    }
    this.#tell("strangers");
  }

  async #optional() {
    await Promise.allSettled([
      api.profiles().then((found) => (this.profiles = found)),
      api.bmcs().then((found) => (this.bmcs = found)),
    ]);
    this.#tell("nodes");
  }

  /** Read what each node's timeline has that we have not; `fresh`: of nodes never looked at only. */
  async catchUp(fresh = false) {
    const unseen = [...this.nodes.keys()].filter((name) => !this.#looked.has(name));
    if (unseen.length > FEW) await this.#looking(unseen, () => this.#readAll(0));
    else await Promise.all(unseen.map((name) => this.#looking([name], () => this.#readOne(name, FIRST_LOOK))));
    if (!fresh) await this.#looking([], () => this.#readAll(this.#newest));
  }

  /** Read what these nodes did; where that fails the next look is their first. */
  async #looking(names, read) {
    for (const name of names) this.#looked.add(name);
    try {
      await read();
      for (const name of names) this.#read.add(name);
      if (names.length) this.#tell("nodes");
    } catch {
      for (const name of names) this.#looked.delete(name);
    }
  }

  async #readOne(name, limit) {
    this.#keep(name, await api.timeline(name, { limit }));
  }

  /** What every node did behind an event; of one that did too much its newest events. */
  async #readAll(since) {
    let newest = null;
    for await (const page of api.timelines(since, FIRST_LOOK)) {
      newest ??= page.newest; // what came while the other pages were read is read again
      for (const [name, events] of page.found) {
        if (since && events.length >= FIRST_LOOK) await this.#readOne(name, MAX_EVENTS);
        else this.#keep(name, events);
      }
    }
    this.#newest = Math.max(this.#newest, newest);
  }

  /** Keep more of one node's events, while its page is open. */
  async lookAt(name) {
    this.#watched = name;
    const [events, withLog] = await Promise.all([
      api.timeline(name, { limit: MAX_LOOKED_AT }),
      api.timeline(name, { limit: MAX_LOOKED_AT, log: true }),
    ]);
    this.#looked.add(name);
    this.#keep(name, merged(events, withLog));
  }

  lookAway(name) {
    if (this.#watched === name) this.#watched = null;
  }

  /** Events of the stream. */
  news(list) {
    const of = new Map();
    for (const event of list) {
      const name = this.#nameOf(event);
      if (name) of.set(name, [...(of.get(name) ?? []), event]);
      else if (event.mac) this.#heardStranger(event);
      if (MOVES_NODES.has(event.kind)) this.#refreshSoon();
    }
    for (const [name, events] of of) {
      const known = this.events(name).at(-1)?.id ?? 0;
      this.#keep(name, events);
      for (const event of events) if (event.id > known) for (const hear of this.#heard) hear(event, name);
    }
  }

  #nameOf(event) {
    if (event.node && this.nodes.has(event.node)) return event.node;
    const name = this.#names.get(event.mac);
    if (!name && event.node && !NOT_ITS_OWN.has(event.kind)) this.#refreshSoon(); // registered just now
    return name ?? event.node;
  }

  #keep(name, events) {
    if (!events.length) return;
    const known = this.events(name);
    const last = known.at(-1)?.id ?? 0;
    let all = events.every((event, at) => event.id > (at ? events[at - 1].id : last)) ? [...known, ...events] : merged(known, events);
    all = this.#watched === name ? newest(all, MAX_LOOKED_AT, MAX_LOOKED_AT) : newest(all, MAX_EVENTS, MAX_LINES);
    this.#events.set(name, all);
    this.#boots.set(name, boots(all));
    this.#tell(name);
  }

  #heardStranger(event) {
    if (event.kind === "lost") return;
    const known = this.strangers.get(event.mac);
    this.#stranger(event.mac, {
      first: known?.first ?? event.time,
      last: event.time,
      arch: event.data?.arch ?? known?.arch,
      firmware: event.data?.firmware ?? known?.firmware,
      detail: event.kind === "discover" ? event.detail : known?.detail,
    });
    this.#tell("strangers");
  }

  #stranger(mac, found) {
    if (!mac || this.#names.has(mac)) return;
    this.strangers.set(mac, { ...this.strangers.get(mac), ...found, mac });
    if (this.strangers.size > MAX_STRANGERS) this.strangers.delete(this.strangers.keys().next().value);
  }

  #refreshSoon() {
    this.#again ??= setTimeout(() => {
      this.#again = null;
      this.refresh();
    }, REFRESH_SOON);
  }

  #tell(what) {
    this.#changed.add(what);
    this.#told ??= setTimeout(() => {
      const changed = this.#changed;
      this.#changed = new Set();
      this.#told = null;
      for (const watcher of this.#watchers) watcher(changed);
    }, TOLD_AFTER);
  }
}

const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);

/** The newest of them, so many events and so many lines: a long log pushes no boot out. */
function newest(all, events, lines) {
  if (all.length <= Math.min(events, lines)) return all;
  const left = [events, lines];
  return all.toReversed().filter((event) => left[Number(LINES.has(event.kind))]-- > 0).reverse();
}

function merged(known, more) {
  const all = new Map([...known, ...more].map((event) => [event.id, event]));
  return [...all.values()].sort((a, b) => a.id - b.id);
}
