"""The iPXE script one machine gets: choose its template, name its values, fill it in.

A script's names, the same for every template:

- ``node.name``, ``node.mac``, ``node.macs``, ``node.labels``, ``node.vars``; a machine nobody
  registered is named after its MAC (``52-54-00-00-00-01``, a valid host name) and has
  ``node.known`` false;
- ``vars``: the same as ``node.vars``, a node's own winning over its groups', these over its
  profile's;
- ``server.address``, ``server.port``, ``server.url``; ``server.syslog``, the UDP port where
  installers may log to, only where we hear them;
- ``image.name``, ``image.version``, ``image.url``: only where the profile has an image;
- ``boot.mac``: the address this request was made for; ``boot.url``: where this boot's own files
  are, only where it has a token;
- ``profile.name``, ``profile.description``, ``profile.installs``, ``profile.erases`` (also where it
  installs nothing), ``profile.wipes`` (it does nothing else); ``profile.answer``, the answer
  file's kind, only where there is one; and ``profiles``: what a menu may offer, each the same;
- ``volume.name``, ``volume.uri``, ``volume.initiator``, ``volume.chap`` (whether its target asks
  who logs in) and ``volume.failed`` (what to say where it fails): only where the node has a volume;
- ``linux.kernel``, ``linux.initrds`` (URLs) and ``linux.args``: the profile's own, filled in;
- ``secure_boot``: its firmware starts only what is signed;
- ``countdown``: seconds in which a person can stop an installation, 0 where nothing is to stop;
- ``retry.tries``, ``retry.pause``: how a script that failed begins again.

A script that cannot be made is answered with one that can: ``error_script`` shows the reason on
the machine's own screen, waits, asks again, and restarts the machine in the end. No machine is
left hanging without a word.
"""

import functools
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from netboot.answer.guards import plain
from netboot.answer.linux import MAX_COMMAND_LINE, linux_names
from netboot.answer.profiles import load_profiles
from netboot.answer.render import SHIPPED, Names, Templates
from netboot.answer.san import volume_names
from netboot.errors import NotBootable
from netboot.model import Client, Image, Mac, Node, Profile, Server
from netboot.volume import Volume

MAX_PROBLEM = 600
"""Characters of a problem that are shown: a text screen has 25 lines."""

COUNTDOWN = "5"
"""Seconds of the countdown before an installation; the variable ``countdown`` says otherwise."""

MAX_SERVERS = 8
"""Addresses of ours that the script of a virtual medium tries."""

RETRY_TRIES = 10
RETRY_PAUSE = 10
"""Seconds between tries: long enough to be read, short enough to mend a template beside it."""

_SCREEN_COLUMNS = 76
_SECONDS = re.compile(r"[0-9]{1,4}")
_KERNEL = re.compile(r"^\s*(?:kernel|imgargs)(?:\s+--\S+)*\s+(?:\S*/)?(?P<line>.*)$", re.MULTILINE)
_OF_GRUB = re.compile(r"^\s*linux\s+(?P<line>.*)$", re.MULTILINE)
_NAMED = "BOOT_IMAGE="
"""What GRUB puts before the line it was given."""
_OR_ELSE = re.compile(r"\s+(?:\|\||&&)(?:\s|$)")


def render_script(  # noqa: PLR0913 -- each is a fact of its own that one boot needs
    node: Node | None,
    client: Client,
    profile: Profile,
    image: Image | None,
    server: Server,
    token_url: str | None,
    *,
    volume: Volume | None = None,
    profiles: Iterable[Profile] | None = None,
    templates: Templates = SHIPPED,
) -> str:
    """Fill in a profile's script for one machine.

    Args:
        node: the registered machine in effect, as a snapshot gives it; None for an unknown one.
        client: who asked.
        profile: what it shall boot.
        image: the fetched image of ``profile.image``.
        server: where it finds us.
        token_url: base of this boot's own files, ``http://…/node/<token>``.
        volume: what is attached to the node.
        profiles: what a menu offers; those that ship with us where None is given.
        templates: where templates are looked up.

    Raises:
        NotBootable: there is no such script for this machine; the text says why.
    """
    if profile.image is not None and image is None:
        raise NotBootable(
            f"{subject(node, client.mac)}: profile {profile.name} boots image {profile.image}, "
            f"which is not there; fetch it: netboot image fetch {profile.image}"
        )
    whom = subject(node, client.mac)
    values = context(node, client.mac, profile, image, server, token_url)
    offered = _built_in() if profiles is None else tuple(profiles)
    values["profiles"] = tuple(_profile_names(offer) for offer in offered)
    values["volume"] = volume_names(volume, node, whom)
    values["countdown"] = _countdown(node, profile, whom)
    values["linux"] = linux_names(profile, image, server, values, templates, whom)
    text = templates.render(profile.script, values, whom)
    _check_command_lines(text, profile, whom)
    return text


def error_script(problem: str, server: Server, mac: Mac, template: str = "ipxe/retry.ipxe") -> str:
    """A script that shows a problem, waits, asks again and restarts the machine in the end.

    Args:
        problem: any text; what iPXE would take for a command is shown as ``?``.
        server: where it finds us.
        mac: whose script is asked for again.
        template: says it in the language of whoever reads it.
    """
    lines = textwrap.wrap(plain(problem[:MAX_PROBLEM]), _SCREEN_COLUMNS)
    values = {
        "problem": lines,
        "retry": _RETRY,
        "server": _server_names(server),
        "boot": Names({"mac": mac}),
    }
    return SHIPPED.render(template, values, "error script")


def bootstrap_script(server: Server, *, templates: Templates = SHIPPED) -> str:
    """For an iPXE whose network is up: ask for a script by each of its NICs' addresses.

    Raises:
        NotBootable: the template cannot be filled in.
    """
    return _without_node("ipxe/bootstrap.ipxe", server, templates)


def autoexec_script(server: Server, *, templates: Templates = SHIPPED) -> str:
    """For an iPXE that has just begun: bring each NIC up and ask for a script by its address.

    iPXE's EFI builds ask for ``autoexec.ipxe`` before anything else, so no build of our own with
    an embedded script is needed.

    Raises:
        NotBootable: the template cannot be filled in.
    """
    return _without_node("ipxe/autoexec.ipxe", server, templates)


def springboard_script(
    template: str, mac: Mac, servers: Sequence[Server], *, templates: Templates = SHIPPED
) -> str:
    """For iPXE or GRUB from a virtual CD or a USB stick: bring a NIC up and ask for ``mac``'s own.

    Args:
        template: of ``netboot.answer.springboard.SCRIPTS``.
        mac: the registered address the medium was made for; its NICs may have others.
        servers: where it finds us, tried in turn and each by its address, as nobody may have told
            it of a name server; at least one, and ``MAX_SERVERS`` are.
        templates: where templates are looked up.

    Raises:
        NotBootable: the template cannot be filled in.
    """
    found = tuple(map(_server_names, servers[:MAX_SERVERS]))
    values: dict[str, object] = {"server": found[0], "servers": found, "retry": _RETRY}
    values["boot"] = Names({"mac": mac})
    return templates.render(template, values, f"machine {mac}")


def first_config(server: Server, *, templates: Templates = SHIPPED) -> str:
    """For a GRUB that has just begun: ask for the configuration of the machine it runs on.

    Raises:
        NotBootable: the template cannot be filled in.
    """
    return _without_node("grub/grub.cfg", server, templates)


def context(
    node: Node | None,
    mac: Mac,
    profile: Profile,
    image: Image | None,
    server: Server,
    token_url: str | None,
) -> dict[str, object]:
    """What every template's names mean for one boot."""
    values: dict[str, object] = {
        "node": _node_names(node, mac, profile),
        "vars": _variables(node, profile),
        "server": _server_names(server),
        "profile": _profile_names(profile),
        "boot": Names({"mac": mac} if token_url is None else {"mac": mac, "url": token_url}),
        "retry": _RETRY,
        "secure_boot": node is not None and node.secure_boot,
    }
    if image is not None:
        url = f"{server.url}/images/{image.name}"
        values["image"] = Names({"name": image.name, "version": image.version, "url": url})
    return values


def subject(node: Node | None, mac: Mac) -> str:
    """Whom an error is about."""
    return f"unknown machine {mac}" if node is None else f"node {node.name}"


def _without_node(template: str, server: Server, templates: Templates) -> str:
    values = {"server": _server_names(server), "retry": _RETRY}
    return templates.render(template, values, "any machine")


def _node_names(node: Node | None, mac: Mac, profile: Profile) -> Names:
    return Names(
        {
            "known": node is not None,
            "name": mac.replace(":", "-") if node is None else node.name,
            "mac": mac,
            "macs": (mac,) if node is None else node.macs,
            "labels": Names({} if node is None else node.labels),
            "vars": _variables(node, profile),
        }
    )


def _variables(node: Node | None, profile: Profile) -> Names:
    own: Mapping[str, str] = {} if node is None else node.vars
    return Names({**profile.vars, **own})


def _countdown(node: Node | None, profile: Profile, whom: str) -> int:
    if not profile.erases:
        return 0
    variables = _variables(node, profile)
    seconds = str(variables["countdown"]) if "countdown" in variables else COUNTDOWN
    if not _SECONDS.fullmatch(seconds):
        raise NotBootable(f"{whom}: variable countdown must be seconds from 0 to 9999; 0 for none")
    return int(seconds)


def _server_names(server: Server) -> Names:
    names = {"address": server.http_host, "port": server.http_port, "url": server.url}
    return Names(names if server.syslog_port is None else {**names, "syslog": server.syslog_port})


def _profile_names(profile: Profile) -> Names:
    names: dict[str, object] = {
        "name": profile.name,
        "description": profile.description,
        "installs": profile.installs,
        "erases": profile.erases,
        "wipes": profile.wipes,
    }
    if profile.answer is not None:
        names["answer"] = profile.answer.kind.value
    return Names(names)


def _check_command_lines(text: str, profile: Profile, whom: str) -> None:
    """The kernel's file name counts as well: iPXE puts it before the arguments under EFI."""
    lines = [_OR_ELSE.split(kernel["line"], maxsplit=1)[0] for kernel in _KERNEL.finditer(text)]
    lines += [_NAMED + kernel["line"] for kernel in _OF_GRUB.finditer(text)]
    for line in lines:
        length = len(line) + 1
        if length > MAX_COMMAND_LINE:
            raise NotBootable(
                f"templates/{profile.script}: {whom}: the kernel's command line has {length} "
                f"bytes; {MAX_COMMAND_LINE} is all it reads"
            )


@functools.cache
def _built_in() -> tuple[Profile, ...]:
    return tuple(load_profiles().values())


_RETRY = Names({"tries": RETRY_TRIES, "pause": RETRY_PAUSE})
