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
const QUIET_BETWEEN_BOOTS = 300;

/** How far each kind brings a boot: the stage that is under way from then on. */
const LEADS_TO = {
  discover: DHCP,
  offer: DHCP,
  "request-4011": DHCP,
  "ack-4011": TFTP,
  probe: TFTP,
  loader: IPXE,
  script: KERNEL,
  kernel: KERNEL,
  initrd: INSTALLER,
  preseed: INSTALLER,
  progress: INSTALLER,
  syslog: INSTALLER,
  installed: DONE,
};
/** Where the stages of the server's watch are on the strip; the later ones are all the installer's. */
const OF_SLUG = {
  offer: DHCP,
  "request-4011": DHCP,
  "ack-4011": DHCP,
  transfer: TFTP,
  loader: TFTP,
  ipxe: IPXE,
  script: IPXE,
  kernel: KERNEL,
  initrd: KERNEL,
};
const FROM_THE_MACHINE = new Set([
  ...Object.keys(LEADS_TO), "file", "not-served", "ignored", "failed", "override", "alarm",
]);
const INSIDE = new Set(["progress", "syslog"]);
const TROUBLES = new Set(["ignored", "failed", "stalled"]);

/** Every boot in `events`, oldest first. */
export function boots(events) {
  const found = [];
  for (const event of events) {
    let boot = found.at(-1);
    if (!FROM_THE_MACHINE.has(event.kind) && event.kind !== "stalled") continue;
    if (!boot || startsOver(boot, event)) found.push((boot = begun(event)));
    follow(boot, event);
  }
  return found;
}

function begun(event) {
  return {
    begun: event.time,
    first: event.id,
    last: event.time,
    at: DHCP,
    reached: Array(STAGES.length).fill(null),
    profile: "",
    over: false,
    disk: false,
    ipxe: false,
    loaded: false,
    scripted: false,
    kernel: false,
    trouble: null,
    step: "",
  };
}

function startsOver(boot, event) {
  if (event.kind !== "discover") return false;
  if (event.time - boot.last > QUIET_BETWEEN_BOOTS) return true;
  const ipxe = (event.data?.firmware ?? "ipxe") === "ipxe";
  return ipxe ? boot.kernel || boot.over : boot.loaded || boot.scripted || boot.kernel || boot.over;
}

function follow(boot, event) {
  if (event.kind !== "stalled") boot.last = event.time;
  if (event.data?.profile) boot.profile = String(event.data.profile);
  if (event.kind === "loader") boot.loaded = true;
  if (event.kind === "script") boot.scripted = true;
  if (event.kind === "kernel") boot.kernel = true;
  if (event.kind === "loader" || event.data?.firmware === "ipxe") boot.ipxe = true;
  if (event.data?.stage && INSIDE.has(event.kind)) boot.step = String(event.data.stage).replaceAll("-", " ");
  if (TROUBLES.has(event.kind) && !brokeOff(event)) return troubled(boot, event);
  const step = stepOf(boot, event);
  if (step > boot.at || step === DONE) advance(boot, step, event.time);
  if (step !== undefined && step >= boot.at && event.kind !== "discover") boot.trouble = null;
  if (event.kind === "installed") boot.over = true;
  if (event.kind === "script" && event.data?.image === "") {
    boot.disk = boot.over = true;
    boot.reached[DONE] ??= event.time;
  }
}

function troubled(boot, event) {
  if (event.kind === "ignored" && boot.at > DHCP) return; // another dialect of the same firmware
  boot.trouble = { ...event, at: troubleAt(boot, event) };
}

function troubleAt(boot, event) {
  if (event.kind !== "stalled") return boot.at;
  return OF_SLUG[event.data?.stage] ?? INSTALLER;
}

function stepOf(boot, event) {
  const step = LEADS_TO[event.kind];
  const answered = event.kind === "offer" || event.kind === "ack-4011";
  return boot.ipxe && answered ? Math.max(boot.at, IPXE) : step; // iPXE needs no loader
}

function advance(boot, step, time) {
  for (let stage = boot.at; stage < step; stage += 1) boot.reached[stage] ??= time;
  if (step === DONE) boot.reached[DONE] ??= time;
  boot.at = Math.max(boot.at, step);
}

/** A transfer that broke off may be asked for again. */
const brokeOff = (event) => event.kind === "failed" && event.data && "file" in event.data;

const STILL = 1800;

/**
 * What each stage of the strip is: done, now, bad, skipped or todo. A boot nothing was heard of for
 * half an hour is not under way any more; an installer may be silent for as long as it works.
 */
export function strip(boot, now = Date.now() / 1000) {
  if (!boot) return STAGES.map(() => "todo");
  const waits = !boot.over && (boot.at === INSTALLER ? now - boot.last < 4 * STILL : now - boot.last < STILL);
  return STAGES.map((_, stage) => {
    if (boot.trouble && stage === boot.trouble.at) return "bad";
    if (boot.reached[stage] !== null) return skipped(boot, stage) ? "skipped" : "done";
    if (boot.disk) return "skipped";
    return stage === boot.at && waits && !boot.trouble ? "now" : "todo";
  });
}

/** iPXE in the machine's own ROM needs no loader. */
const skipped = (boot, stage) => stage === TFTP && !boot.loaded && boot.at > IPXE;

/** A boot in a few words. */
export function told(boot, now = Date.now() / 1000) {
  if (!boot) return "never seen";
  if (boot.trouble) return `${TROUBLE_WORDS[boot.trouble.kind]} at ${STAGES[boot.trouble.at].name}`;
  if (boot.disk) return "started from its disk";
  if (boot.reached[DONE] !== null) return "installed";
  const at = strip(boot, now).indexOf("now");
  if (at >= 0) return at === INSTALLER && boot.step ? `installer: ${boot.step}` : `at ${STAGES[at].name}`;
  const furthest = boot.reached.findLastIndex((time) => time !== null);
  return furthest < 0 ? "asked" : `got to ${STAGES[furthest].name}`;
}

const TROUBLE_WORDS = { stalled: "stalled", failed: "failed", ignored: "not answered" };

/** Whether a boot is under way. */
export const underWay = (boot, now) => Boolean(boot) && strip(boot, now).includes("now");

/** The last boot before the newest one that came to a good end, or null. */
export function lastGood(all) {
  const now = all.at(-1);
  const good = all.slice(0, -1).filter((boot) => boot.over && !boot.trouble);
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
