// What to do while there is no node: the first page somebody sees.

import { command, el } from "./dom.js";

const STEPS = [
  {
    title: "Serve the network",
    says: "netboot stands beside the DHCP server you have; nothing of it is changed. This page is here, so it may run already.",
    shell: ["sudo netboot serve"],
  },
  {
    title: "See what stands in the way",
    says: "It looks for other boot servers, closed ports and missing images, and names the cure.",
    shell: ["sudo netboot doctor"],
  },
  {
    title: "Start a machine from the network",
    says: "It appears under Discovered machines and is not answered until you enrol it: it may not be yours.",
    shell: [],
  },
  {
    title: "Enrol it, here or in a terminal",
    says: "Its disk is erased by what its profile installs. With the address of its BMC, netboot also switches it on.",
    shell: [
      "netboot node add n1 --mac 52:54:00:00:00:01 --profile debian-12",
      "netboot node set n1 --bmc redfish://10.0.0.11 --bmc-user admin --bmc-password-file bmc.pass",
    ],
  },
  {
    title: "Forty at once",
    says: "One YAML file, or the files of the program you come from.",
    shell: ["netboot node import nodes.yaml"],
  },
];

/** The steps, until there is a node. */
export const welcome = () =>
  el(
    "section",
    { class: "welcome", hidden: true, "aria-label": "How to begin" },
    el("p", { class: "lead" }, "No node yet. Five steps to the first one:"),
    el(
      "ol",
      { class: "steps" },
      STEPS.map((step) => el("li", {}, el("h2", {}, step.title), el("p", {}, step.says), step.shell.map(command))),
    ),
  );
