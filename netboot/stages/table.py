"""The stages of a boot: how long each may take, and the usual cause when it does not come.

Patience is chosen above what a healthy machine needs, so that a row is only read when something
is wrong: real firmware gets from power-on to the installer's kernel in some 30 s altogether.
"""

from collections.abc import Mapping

from netboot.stages import installer
from netboot.stages.stage import Stage, Wait

_BOOT = {
    Stage.OFFER: Wait(
        5,
        "DISCOVER came but no OFFER left",
        "netboot is overloaded, or may not send on this interface",
        "see the errors above; is the interface up, does netboot run as root?",
    ),
    Stage.REQUEST_4011: Wait(
        30,
        "OFFER sent but no request came to port 4011",
        "another PXE server answered first, no DHCP server gave the machine an address, "
        "a firewall blocks UDP 4011, or a relay drops proxy offers",
        "stop the other PXE server, see that DHCP has free addresses, open UDP 4011 on this host",
    ),
    Stage.ACK_4011: Wait(
        5,
        "request on port 4011 came but no answer left",
        "netboot could not send its answer",
        "see the errors above; a firewall on this host may block UDP from port 4011",
    ),
    Stage.TRANSFER: Wait(
        15,
        "boot file named but never asked for by TFTP",
        "UDP 69 is blocked by a firewall, NAT or a container bridge, "
        "or the advertised address is not reachable for the machine",
        "open UDP 69 on this host; in a container use host networking",
    ),
    Stage.LOADER: Wait(
        60,
        "loader begun but never finished",
        "a lossy link, an MTU smaller than the block size, or NAT that drops answers from "
        "a new port",
        "check cable and switch port, set the same MTU everywhere; in a container use host "
        "networking",
    ),
    Stage.IPXE: Wait(
        45,
        "loader sent but iPXE never spoke",
        "iPXE cannot use this NIC, the switch port was not forwarding yet (STP), "
        "or Secure Boot refused the loader",
        'try loader = "ipxe.efi" for this node, turn on portfast (STP edge port), '
        "or where the screen says Access Denied mark it: netboot node set NAME --secure-boot",
    ),
    Stage.SCRIPT: Wait(
        45,
        "iPXE asked but never fetched its script",
        "iPXE's own DHCP failed (no free address, or STP forwarding delay), "
        "or a firewall blocks our HTTP port",
        "open the HTTP port on this host, turn on portfast (STP edge port); "
        "behind NAT set http.advertise",
    ),
    Stage.KERNEL: Wait(
        60,
        "script fetched but no kernel",
        "the image was never fetched, or the script names a URL the machine cannot reach",
        "run netboot image list; behind NAT set http.advertise; a proxy or firewall may block "
        "long transfers",
    ),
    Stage.INITRD: Wait(
        120,
        "kernel fetched but no initrd",
        "the link broke off, the machine has too little memory for the image, or the kernel is for "
        "another processor",
        "check cable and switch port; give the machine more memory; netboot explain NAME names "
        "both processors",
    ),
    Stage.PRESEED: Wait(
        240,
        "initrd fetched but the installer never asked for its preseed",
        "the installer's own DHCP failed: NIC firmware or driver missing, wrong NIC (BOOTIF), "
        "VLAN, or STP forwarding delay; or it has too little memory, and asks about that",
        "look at the machine's screen; turn on portfast (STP edge port), check the port's VLAN; "
        "where it says Low memory, give it 1 GiB",
    ),
}

WAITS: Mapping[Stage, Wait] = {**_BOOT, **installer.WAITS}
"""The stages that are awaited. ``NOTHING``, ``INSTALLER`` and ``DONE`` are not."""

ASKS_AGAIN = Wait(
    _BOOT[Stage.REQUEST_4011].seconds,
    "the machine asks again and again but takes no OFFER",
    "no DHCP server gives it an address (none on this VLAN, pool empty), or its firmware wants "
    "option 43 or drops proxy offers that came through a relay",
    "see that a DHCP server with free addresses answers on the machine's own VLAN; "
    "update its firmware",
)
"""Said in place of ``REQUEST_4011``'s row when there were ``MANY_DISCOVERS``."""

REFUSED = Wait(
    5,
    "loader sent but not started by the firmware",
    "Secure Boot refused it: the screen said Access Denied or Security Violation",
    "netboot node set NAME --secure-boot, or switch Secure Boot off in the firmware's set-up",
)
"""Said in place of ``IPXE``'s row where firmware asks again so soon: iPXE gives up later."""

NOT_STARTED = Wait(
    _BOOT[Stage.PRESEED].seconds,
    "kernel and initrd fetched again and again but never started",
    "the kernel is for another processor, or the machine has too little memory",
    "netboot explain NAME names both processors; the machine's screen has iPXE's error",
)
"""Said in place of ``PRESEED``'s row where iPXE asked for its script once more."""

SPECIAL = (ASKS_AGAIN, REFUSED, NOT_STARTED)
