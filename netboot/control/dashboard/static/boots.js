// One machine's boots, folded from its events, oldest first. The rules are those of
// netboot/stages/boot.py: a boot only moves forward, and a new one begins at a DISCOVER.

/** The strip every boot is drawn as. */
export const STAGES = [
  { key: "dhcp", name: "DHCP", long: "the firmware asks, and is offered a loader" },
  { key: "tftp", name: "TFTP", long: "the loader is sent, by TFTP or HTTP" },
  { key: "ipxe", name: "iPXE", long: "iPXE fetches this machine's script" },
  { key: "kernel", name: "kernel", long: "kernel and initrd are sent" },
  { key: "installer", name: "installer", long: "the installer reads its answers and works" },
  { key: "done", name: "done", long: "the machine called home, or starts from its disk" },
];

const [DHCP, TFTP, IPXE, KERNEL, INSTALLER, DONE] = STAGES.keys();

/** What a boot waits for, in order; the names are those of netboot/stages/stage.py. */
export const WAITS_FOR = [
  "nothing", "offer", "request-4011", "ack-4011", "transfer", "loader", "ipxe", "script", "kernel", "initrd",
  "preseed", "installer", "partitioning", "base-system", "packages", "boot-loader",
  "writing", "verifying", "growing", "late", "call-home", "done",
];
/** Where each of them is on the strip. */
const BAR = [
  DHCP, DHCP, DHCP, DHCP, TFTP, TFTP, IPXE, IPXE, KERNEL, KERNEL,
  INSTALLER, INSTALLER, INSTALLER, INSTALLER, INSTALLER, INSTALLER, INSTALLER, INSTALLER,
  INSTALLER, INSTALLER, INSTALLER, DONE,
];
const NUMBER = Object.fromEntries(WAITS_FOR.map((name, number) => [name, number]));

/** What is waited for after each kind of event. */
const LEADS_TO = {
  discover: "offer",
  offer: "request-4011",
  "request-4011": "ack-4011",
  "ack-4011": "transfer",
  probe: "loader",
  loader: "ipxe",
  script: "kernel",
  kernel: "initrd",
  initrd: "preseed",
  preseed: "installer",
  installed: "done",
};
/** What else is, once iPXE speaks. */
const LEADS_IPXE_TO = {
  discover: "script",
  offer: "script",
  "request-4011": "script",
  "ack-4011": "script",
  file: "script",
  "not-served": "script",
};
/** The words by which our answer files tell where an installer is, besides the stages' own names. */
const TOLD_AS = {
  early: "installer", partition: "partitioning", write: "writing", verify: "verifying", grow: "growing",
};
const TELLS = new Set(["progress", "syslog"]);
const TROUBLES = new Set(["ignored", "failed", "stalled"]);
const FOLLOWED = new Set([
  ...Object.keys(LEADS_TO), ...Object.keys(LEADS_IPXE_TO), ...TELLS, ...TROUBLES, "media", "override", "alarm",
]);
const QUIET_BETWEEN_BOOTS = 300;

/** Every boot in `events`, oldest first. */
export function boots(events) {
  const found = [];
  for (const event of events) {
    if (!FOLLOWED.has(event.kind)) continue;
    let boot = found.at(-1);
    if (!boot || startsOver(boot, event)) found.push((boot = begun(event)));
    follow(boot, event);
  }
  return found;
}

const begun = (event) => ({
  begun: event.time,
  first: event.id,
  last: event.time,
  stage: 0,
  reached: Array(STAGES.length).fill(null),
  profile: "",
  disk: false,
  ipxe: false,
  loaded: false,
  trouble: null,
});

function startsOver(boot, event) {
  if (event.kind !== "discover") return false;
  if (event.time - boot.last > QUIET_BETWEEN_BOOTS) return true;
  const ipxe = (event.data?.firmware ?? "ipxe") === "ipxe";
  return boot.stage > (ipxe ? NUMBER.kernel : NUMBER.loader);
}

function follow(boot, event) {
  if (event.kind !== "stalled") boot.last = event.time;
  if (event.data?.profile) boot.profile = String(event.data.profile);
  if (event.kind === "loader") boot.loaded = true;
  if (event.kind === "loader" || event.data?.firmware === "ipxe") boot.ipxe = true;
  if (event.kind === "ignored" && boot.stage > NUMBER.offer && boot.stage < NUMBER.ipxe) return; // another dialect
  if (TROUBLES.has(event.kind) && !brokeOff(event)) {
    boot.trouble = { ...event, at: BAR[NUMBER[event.data?.stage] ?? boot.stage] };
    return;
  }
  const stage = stageAfter(boot, event);
  if (stage <= boot.stage) return;
  boot.disk = event.kind === "script" && stage === NUMBER.done;
  advance(boot, stage, event.time);
  boot.trouble = null;
}

/** A transfer that broke off may be asked for again. */
const brokeOff = (event) => event.kind === "failed" && event.data && "file" in event.data;

function stageAfter(boot, event) {
  if (brokeOff(event)) return NUMBER.loader;
  if (event.kind === "script" && event.data?.image === "") return NUMBER.done; // it starts no kernel
  if (TELLS.has(event.kind)) return stageTold(boot, event);
  return NUMBER[(boot.ipxe && LEADS_IPXE_TO[event.kind]) || LEADS_TO[event.kind]] ?? 0;
}

/** Where an installer says it is; its mere voice says that there is one, where no more is kept. */
function stageTold(boot, event) {
  const told = String(event.data?.stage ?? "");
  const stage = NUMBER[TOLD_AS[told] ?? told];
  if (stage === NUMBER["boot-loader"]) return NUMBER.late;
  if (stage >= NUMBER.installer && stage < NUMBER["call-home"]) return stage + 1;
  return boot.stage ? 0 : NUMBER.installer;
}

function advance(boot, stage, time) {
  const last = boot.disk ? KERNEL : BAR[stage];
  for (let bar = BAR[boot.stage]; bar < last; bar += 1) boot.reached[bar] ??= time;
  if (stage === NUMBER.done) boot.reached[DONE] = time;
  boot.stage = stage;
}

/** The bar that is under way. */
export const barOf = (boot) => BAR[boot.stage];

/** Whether nothing more is expected of a boot. */
export const over = (boot) => boot.stage === NUMBER.done;

const STILL = 1800;

/**
 * What each stage of the strip is: done, now, bad, skipped or todo. A boot nothing was heard of for
 * half an hour is not under way any more; an installer may be silent for as long as it works.
 */
export function strip(boot, now = Date.now() / 1000) {
  if (!boot) return STAGES.map(() => "todo");
  const patience = barOf(boot) === INSTALLER ? 4 * STILL : STILL;
  const waits = !over(boot) && !boot.trouble && now - boot.last < patience;
  return STAGES.map((_, bar) => {
    if (bar === boot.trouble?.at) return "bad";
    if (boot.reached[bar] !== null) return skipped(boot, bar) ? "skipped" : "done";
    if (boot.disk) return "skipped";
    return waits && bar === barOf(boot) ? "now" : "todo";
  });
}

/** iPXE in the machine's own ROM needs no loader. */
const skipped = (boot, bar) => bar === TFTP && !boot.loaded && boot.stage > NUMBER.script;

/** A boot in a few words. */
export function told(boot, now = Date.now() / 1000) {
  if (!boot) return "never seen";
  if (boot.trouble) return `${TROUBLE_WORDS[boot.trouble.kind]} at ${STAGES[boot.trouble.at].name}`;
  if (over(boot)) return boot.disk ? "started from its disk" : "installed";
  if (strip(boot, now).includes("now")) return step(boot);
  const furthest = boot.reached.findLastIndex((time) => time !== null);
  return furthest < 0 ? "asked" : `got to ${STAGES[furthest].name}`;
}

/** The stage under way, inside an installer by the name of what it does. */
function step(boot) {
  const inside = boot.stage > NUMBER.partitioning ? WAITS_FOR[boot.stage - 1].replaceAll("-", " ") : "";
  return inside ? `installer: ${inside}` : `at ${STAGES[barOf(boot)].name}`;
}

const TROUBLE_WORDS = { stalled: "stalled", failed: "failed", ignored: "not answered" };

/** Whether a boot is under way. */
export const underWay = (boot, now) => Boolean(boot) && strip(boot, now).includes("now");

/** The last boot before the newest one that came to a good end, or null. */
export function lastGood(all) {
  const now = all.at(-1);
  const good = all.slice(0, -1).filter((boot) => over(boot) && !boot.trouble);
  const alike = good.filter((boot) => boot.profile === now?.profile);
  return alike.at(-1) ?? good.at(-1) ?? null;
}

/** Seconds each stage took, null where it was not reached; the last one's are those of them all. */
export function durations(boot) {
  let from = boot.begun;
  return boot.reached.map((time, stage) => {
    if (time === null || skipped(boot, stage)) return null;
    if (stage === DONE) return time - boot.begun;
    const took = time - from;
    from = time;
    return took;
  });
}
