// News as it happens: the server's event stream, or a look every few seconds where there is none.

import { events, Problem } from "./api.js";

const AGAIN = [500, 1000, 2000, 5000];
/** Milliseconds until a stream that broke off is tried again, the last one from then on. */
const LOOK = 3000;
/** Milliseconds between two looks where the server has no stream. */
const SILENCE = 45000;
/** Milliseconds without a sign of life after which a stream is given up. */
const LONGEST = 1 << 20;
/** Characters one event may have. */

/**
 * Follows the server while the page is seen; a page that is not gives its connection back, since a
 * browser opens six to one server, and goes on where it was when it is seen again.
 */
export class Live {
  /**
   * @param {object} told `events(list)`, `state("live" | "away" | "looking")`, `opened(again)`
   *   before what a connection brings, and `look()` for a server without a stream.
   */
  constructor(told) {
    this.told = told;
    this.last = null;
    this.again = false;
    this.tries = 0;
    this.stopped = true;
    this.timer = null;
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  start() {
    this.stopped = false;
    this.#seen();
  }

  stop() {
    this.stopped = true;
    this.#hangUp();
  }

  #seen() {
    this.#hangUp();
    if (!this.stopped && !document.hidden) this.#follow();
  }

  #hangUp() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  async #follow() {
    const abort = (this.abort = new AbortController());
    try {
      const answer = await events(this.last, abort.signal);
      this.told.state("live");
      this.told.opened(this.again);
      this.again = true;
      this.tries = 0;
      await this.#read(answer.body.getReader(), abort);
    } catch (error) {
      if (this.abort !== abort) return;
      if (error instanceof Problem && error.absent) return this.#lookOnce();
      if (error instanceof Problem && error.status === 401) return;
    }
    if (this.abort === abort) this.#later();
  }

  #later() {
    this.told.state("away");
    const pause = AGAIN[Math.min(this.tries++, AGAIN.length - 1)];
    this.timer = setTimeout(() => this.#follow(), pause);
  }

  async #lookOnce() {
    try {
      await this.told.look();
      this.told.state("looking");
    } catch {
      this.told.state("away");
    }
    if (!this.stopped && !document.hidden) this.timer = setTimeout(() => this.#lookOnce(), LOOK);
  }

  async #read(reader, abort) {
    const parser = new EventParser();
    const decoder = new TextDecoder();
    let watchdog;
    try {
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => reader.cancel(), SILENCE);
        const { done, value } = await reader.read();
        if (done || this.abort !== abort) return;
        const found = parser.feed(decoder.decode(value, { stream: true }));
        if (parser.id) this.last = parser.id;
        if (found.length) this.told.events(found);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }
}

/** Server-sent events out of text in pieces (HTML, 9.2.6); `id` is the last one's. */
export class EventParser {
  id = "";
  #rest = "";
  #data = [];

  /** The events that are whole with `text`, their data parsed. */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    if (this.#rest.length > LONGEST) throw new Error("an event without end");
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line) {
    if (line === "") return this.#whole();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    if (field === "id") this.id = value;
    return [];
  }

  #whole() {
    const text = this.#data.join("\n");
    this.#data = [];
    if (!text) return [];
    try {
      return [JSON.parse(text)];
    } catch {
      return []; // no event of ours
    }
  }
}
