// What is asked before machines are installed: how they come to the network, and from which image.

import * as api from "./api.js";
import { command, el, retype, say } from "./dom.js";
import { several, who } from "./words.js";

const USUAL = "";
/** What BMCs speak that neither boot by HTTP nor have virtual media; all others speak Redfish. */
const NO_REDFISH = { ipmi: "IPMI", wol: "Wake-on-LAN", command: "power commands", manual: "no protocol" };
const DEPLOY = "deploy";
const SPRINGBOARDS = { false: "springboard", true: "springboard-secure" };

/** What `confirmed` needs to ask for it. */
export async function installAsked(nodes, { model }) {
  const images = await api.images().catch(() => []);
  const again = nodes.filter((node) => node.state === "installed");
  const via = oneOf("How it comes to the network", "via", ways(nodes, model, images));
  const image = oneOf("What is written to its disk", "image", contents(nodes, model, images));
  const erased = el("p", {});
  const shell = command("");
  const asked = () => ({
    ...(again.length && { reinstall: true }),
    ...(via.value() !== USUAL && { via: via.value() }),
    ...(image.value() !== USUAL && { image: image.value() }),
  });
  const follow = () => {
    say(erased, whatIsErased(nodes, image.value()));
    retype(shell, typed(nodes, asked()));
  };
  for (const one of [via, image]) one.root.addEventListener("change", follow);
  follow();
  const does = again.length ? "Erase and reinstall" : "Erase and install";
  return {
    title: `${again.length ? "Reinstall" : "Install"} ${who(nodes)}?`,
    says: [erased, ...whatHappens(nodes, again, model)],
    fields: [several(nodes), via.root, image.root],
    does: `${does} ${who(nodes)}`,
    danger: true,
    shell,
    act: () => api.submit("install", nodes.map((node) => node.name), asked()),
  };
}

function whatIsErased(nodes, image) {
  const disk = nodes.length === 1 ? `The disk of ${nodes[0].name}` : "The disk of each";
  if (image !== USUAL) return `${disk} is erased, and ${image} is written to it, now and at each installation to come.`;
  return `${disk} is erased, and ${profilesOf(nodes)} is installed.`;
}

const profilesOf = (nodes) => [...new Set(nodes.map((node) => node.profile ?? "its group's profile"))].join(", ");

function whatHappens(nodes, again, model) {
  const one = nodes.length === 1;
  const manual = nodes.filter((node) => model.bmcs && !(node.name in model.bmcs));
  return [
    again.length && `${one ? "It is" : `${again.length} of them are`} installed now: all that is on ${one ? "its disk" : "their disks"} is lost.`,
    manual.length < nodes.length && `${one ? "It is" : "Those with a BMC are"} restarted from the network at once.`,
    manual.length && `${one ? "It has no BMC: start it" : `${manual.length} have no BMC: start them`} from the network by hand.`,
  ].filter(Boolean);
}

const typed = (nodes, { reinstall, via, image }) =>
  [
    `netboot node install ${nodes.map((node) => node.name).join(" ")}`,
    reinstall && "--reinstall",
    via && `--via ${via}`,
    image && `--image ${image}`,
  ]
    .filter(Boolean)
    .join(" ");

function ways(nodes, model, images) {
  const http = first(nodes, (node) => withoutRedfish(node, model, "HTTP boot"));
  const media = first(nodes, (node) => withoutRedfish(node, model, "virtual media") || withoutCd(node, images));
  return [
    { value: USUAL, text: "Automatic", hint: "By PXE; where that fails, by what else its BMC can do." },
    { value: "http", text: "HTTP boot", hint: "UEFI firmware fetches its loader by HTTP.", why: http },
    { value: "media", text: "Virtual media", hint: "From a small CD in its BMC's drive, where the network refuses PXE.", why: media },
  ];
}

const first = (nodes, why) => nodes.map(why).find(Boolean) ?? "";

function withoutRedfish(node, model, wanted) {
  if (!model.bmcs) return "";
  const bmc = model.bmcs[node.name];
  if (!bmc) return `${node.name} has no BMC.`;
  const spoken = NO_REDFISH[bmc.address.split(":")[0]];
  return spoken ? `The BMC of ${node.name} speaks ${spoken}, which has no ${wanted}.` : "";
}

const withoutCd = (node, images) => absent(SPRINGBOARDS[Boolean(node.secure_boot)], images);

function absent(name, images) {
  const found = images.find((one) => one.name === name);
  return found && !found.version ? `Image ${name} is not here: netboot image fetch ${name}` : "";
}

function contents(nodes, model, images) {
  const ramdisk = model.profiles?.find((one) => one.name === DEPLOY)?.image;
  const hindered = ramdisk ? absent(ramdisk, images) : "";
  const disks = images.filter((one) => one.disk);
  const none = { value: "none", text: "A disk image", why: "None is here: netboot image build debian-13-disk makes one." };
  return [
    { value: USUAL, text: "What its profile installs", hint: `By the installer of ${profilesOf(nodes)}.` },
    ...disks.map((one) => ({ value: one.name, text: one.name, hint: `${one.title}, ${one.version}`, why: hindered })),
    ...(disks.length ? [] : [none]),
  ];
}

/** One of several, by radio buttons, the first at first; `why` is why one cannot be chosen. */
function oneOf(legend, name, options) {
  const rows = options.map(({ value, text, hint, why }, at) => {
    const id = `${name}-${at}`;
    const radio = { type: "radio", id, name, value, checked: at === 0, disabled: Boolean(why), "aria-describedby": `${id}-hint` };
    return el("div", { class: "choice" }, el("input", radio), el("label", { for: id }, text), el("p", { class: "sub", id: `${id}-hint` }, why || hint));
  });
  const root = el("fieldset", { class: "one-of" }, el("legend", {}, legend), rows);
  return { root, value: () => root.querySelector(":checked").value };
}
