// The control plane's API: one function for each thing the pages ask, and one error for all of them.

const ROOT = "/api/v1";

/** What the server refused or could not do (RFC 9457); `status` 0 is no answer at all. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }

  /** The server has no such thing: an older one, or one that is not set up for it. */
  get absent() {
    return this.status === 404 || this.status === 405 || this.status === 501;
  }
}

let refused = () => {};

/** Call `told` when the server no longer knows who we are. */
export function onRefused(told) {
  refused = told;
}

/** Send one request; gives the answer as it comes. */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, signal, credentials: "same-origin" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(ROOT + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No answer", "The server does not answer. Is netboot serve running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && path !== "/session") refused();
  throw await problemOf(answer);
}

async function problemOf(answer) {
  let said = {};
  try {
    said = await answer.json();
  } catch {
    // a proxy's own page: the status says enough
  }
  const detail = typeof said.detail === "string" ? said.detail : "";
  const key = said.key ? `${said.key} ` : "";
  return new Problem(answer.status, said.title || answer.statusText || "Failed", key + detail);
}

async function ask(path, options) {
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

const send = (path, body, method = "POST") =>
  ask(path, { method, body, headers: { "Idempotency-Key": drawn() } });

/** A number drawn anew for each thing asked, so that a repeated request does it once. */
function drawn() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Each page of a list. */
async function* pages(path) {
  for (let next = ROOT + path; next; ) {
    const answer = await request(next.slice(ROOT.length));
    yield await answer.json();
    next = following(answer.headers.get("Link"));
  }
}

/** Every page of a list. */
async function whole(path, key) {
  const found = [];
  for await (const page of pages(path)) found.push(...(page[key] ?? page.items ?? []));
  return found;
}

function following(links) {
  const found = /<([^>]+)>;\s*rel="?next"?/.exec(links ?? "");
  if (!found) return null;
  const url = new URL(found[1], location.href);
  return url.pathname.startsWith(ROOT) ? url.pathname + url.search : null;
}

const part = encodeURIComponent;

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** An event in one shape, whether it came from a timeline or the stream. */
const flat = (record) => (record.event ? { id: record.id, ...record.event } : record);

// who we are
export const session = () => ask("/session");
export const signIn = (token) => ask("/session", { method: "POST", body: { token } });
export const signOut = () => ask("/session", { method: "DELETE" });

// nodes
export const nodes = () => whole("/nodes", "nodes");
export const node = (name) => ask(`/nodes/${part(name)}`);
export const addNode = (node) => send("/nodes", node);
/** Say something of nodes that takes them to another state, such as "resume". */
export const changeState = (names, cause) => send("/nodes:state", { names, cause });
export const profiles = async () => (await ask("/profiles")).profiles;
export const explain = (name) => ask(`/nodes/${part(name)}/explain`);

/** A machine's events; with `log` all lines of its installer's log too. */
export async function timeline(who, { after, limit, log } = {}) {
  return (await ask(`/timeline/${part(who)}${query({ after, limit, log })}`)).events.map(flat);
}

/** The newest events of all nodes behind the event `since`, at most `each` of one, page by page. */
export async function* timelines(since, each) {
  for await (const { timelines, newest } of pages(`/timelines${query({ since, each })}`)) {
    yield { newest, found: Object.entries(timelines).map(([name, events]) => [name, events.map(flat)]) };
  }
}

/** Machines nobody registered, each with what it said of itself when it asked last. */
export async function discovered() {
  const found = (await ask("/discovered")).discovered;
  return found.map(({ mac, first, last, asked }) => {
    const { time } = flat(last);
    const { detail, data } = asked ? flat(asked) : {};
    return { mac, first, last: time, detail, arch: data?.arch, firmware: data?.firmware };
  });
}

/** The stream of events, after the one with id `last`. */
export const events = (last, signal) =>
  request("/events", { signal, headers: { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": String(last) } : {}) } });

// BMCs
export const bmc = (name) => ask(`/nodes/${part(name)}/bmc`);
export const bmcs = async () => (await ask("/bmcs")).bmcs;
export const powerNow = (name) => ask(`/nodes/${part(name)}/power`);
export const setPower = (name, action) => send(`/nodes/${part(name)}/power`, { action });

// jobs
export const jobs = async (filter = {}) => (await ask(`/jobs${query(filter)}`)).jobs;
export const submit = (kind, names, asked = {}) => send("/jobs", { kind, nodes: names, asked });
export const cancelJob = (id) => send(`/jobs/${id}/cancel`, {});
export const retryJob = (id) => send(`/jobs/${id}/retry`, {});

/** The iSCSI volume a machine starts from by its profile; undefined where it has none. */
export const volumeOf = async (name) => (await ask(`/volumes${query({ node: name })}`)).volumes[0];

// the site
export const images = async () => (await ask("/images")).images;
export const network = () => ask("/network");
export const audit = async (filter = {}) => (await ask(`/audit${query(filter)}`)).audit;
