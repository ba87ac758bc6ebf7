"""What a machine would be told, and why, with no machine present: the one decision, asked again.

The script and the answer files are rendered as the boot program renders them, with their secrets
withheld; nobody is given a token.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import msgspec

from netboot import learning
from netboot.answer import grub
from netboot.answer.answers import ANSWER_FILES, render_answer
from netboot.answer.catalogue import loaders_in
from netboot.answer.render import Templates
from netboot.answer.script import render_script, subject
from netboot.answer.signed import refuse_unsigned
from netboot.answer.told import told
from netboot.answer.withheld import withheld, without_secrets
from netboot.clients import kind_of, usual_firmware
from netboot.config import Settings
from netboot.control.deploys import deploy_said
from netboot.decision import Decision, Learned
from netboot.errors import ConfigError, NotBootable
from netboot.matching import Match
from netboot.media import library, mirror
from netboot.media.foreign import foreign
from netboot.model import Arch, Client, Firmware, Image, Node, Profile, Server, parse_mac
from netboot.policy import Rules, decide
from netboot.secure_boot.chain import Judged, judge
from netboot.snapshot import Snapshot
from netboot.volume import Volume, initiator

LARGEST_ARCH = 0xFFFF
"""Option 93 is 16 bits (RFC 4578 section 2.1)."""
NO_MAC = "02:00:00:00:00:00"
"""Stands for the address of a node that is known by other things."""
SOMEWHERE = "SERVER"
"""Stands for our address where no boot program says it."""
_USUAL_ARCH: dict[str, Arch] = {
    Firmware.BIOS: Arch.BIOS,
    Firmware.RPI: Arch.BIOS,
    Firmware.HTTP: Arch.X64_HTTP,
}
_SUCH_AS = "0 (BIOS), 7 (UEFI x64), 11 (UEFI arm64) or 16 (UEFI x64, HTTP Boot)"
_TOKEN = "TOKEN"  # noqa: S105 -- what stands for one


class Rendered(msgspec.Struct, frozen=True):
    """A file a machine would get, without its secrets."""

    name: str
    text: str


class Explained(msgspec.Struct, frozen=True):
    """What a machine would be told.

    Attributes:
        verdict: ``ignore``, ``loader`` or ``script``.
        reasons: sentences, in the order they were found; the last one settled it.
        script: what iPXE, or under Secure Boot GRUB, gets; None where it gets none.
        answers: the installer's answer files.
        deploy: the deploy template that its installation goes by, why, and its steps; "" for none.
        problem: why script or answers cannot be made, "" where they can.
    """

    mac: str
    arch: int
    firmware: Firmware
    node: str | None
    verdict: str
    profile: str | None
    loader: str | None
    shape: str | None
    reasons: tuple[str, ...]
    script: str | None = None
    answers: tuple[Rendered, ...] = ()
    problem: str = ""
    deploy: str = ""


class Explainer:
    """Explains. Safe from many threads, one at a time; every method blocks.

    Args:
        settings: the site's.
        profiles: reads the profiles there are now.
        address: where machines reach us, as boot programs say it; None while none says it.
    """

    def __init__(
        self,
        settings: Settings,
        profiles: Callable[[], Mapping[str, Profile]],
        address: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._profiles = profiles
        self._address = address
        self._templates = Templates(settings.templates)
        self._alone = threading.Lock()
        self._mirror: str | None = None

    def explain(
        self, client: Client, snapshot: Snapshot, *, kind_is_known: bool = False
    ) -> Explained:
        """What ``client`` would be told.

        Args:
            client: the machine.
            snapshot: the nodes and groups there are.
            kind_is_known: that its firmware is of the client's kind, and not only taken to be.
        """
        match = snapshot.match(client)
        facade = self._settings.redfish_facade.members
        images = library.installed(self._settings.images_dir)
        judged = judge(images) if match is not None and match.node.secure_boot else Judged()
        unknown, there = self._settings.dhcp.unknown, loaders_in(images)
        rules = Rules(self._profiles(), unknown, facade, judged.loaders, judged.kernels, there)
        decision = decide(client, match, rules, self._learned(client))
        found = _explained(client, match, decision)
        if match is not None:
            deploy = deploy_said(match.node, self._settings.templates)
            found = msgspec.structs.replace(found, deploy=deploy)
        if decision.profile is None:
            return found
        node = told(None if match is None else match.node, decision)
        volume = None if node is None else snapshot.volumes.get(node.name)
        if node is not None and volume is not None and rules.profiles[decision.profile].volume:
            found = msgspec.structs.replace(
                found, reasons=_with_volume(found.reasons, volume, node)
            )
        if kind_is_known:
            problem = _foreign(rules.profiles[decision.profile], images, client)
            found = msgspec.structs.replace(found, problem=problem)
        try:
            with self._alone:
                return self._with_files(found, client, node, rules, volume, images)
        except NotBootable as error:
            return msgspec.structs.replace(found, problem=without_secrets(str(error)))

    def _with_files(
        self,
        found: Explained,
        client: Client,
        node: Node | None,
        rules: Rules,
        volume: Volume | None,
        held: Iterable[Image],
    ) -> Explained:
        node, profile = withheld(node, rules.profiles[found.profile or ""])
        by_grub = client.firmware is Firmware.GRUB or not (node is None or node.starts_ipxe)
        if by_grub:
            profile = grub.form(profile)
        images = {one.name: one for one in held}
        image = images.get(profile.image or "")
        server = self._server()
        url = f"{server.url}/node/{_TOKEN}"
        asks = replace(client, firmware=Firmware.IPXE)
        script = render_script(
            *(node, asks, profile, image, server, url),
            volume=volume,
            profiles=rules.profiles.values(),
            templates=self._templates,
        )
        if node is not None and node.secure_boot:
            refuse_unsigned(script, rules.kernels, subject(node, client.mac))
        names = ANSWER_FILES[profile.answer.kind] if profile.answer else ()
        answers = []
        for name in names:
            text = render_answer(
                *(name, node, profile, server, self._mirror_url()),
                mac=client.mac,
                image=image,
                images=images,
                token_url=url,
                templates=self._templates,
            )
            answers.append(Rendered(name, without_secrets(text.decode("utf-8", "replace"))))
        return msgspec.structs.replace(
            found, script=without_secrets(script), answers=tuple(answers)
        )

    def _server(self) -> Server:
        http = self._settings.http
        address = self._address() or http.advertise or SOMEWHERE
        return Server(address, http.advertise or address, http.port)

    def _mirror_url(self) -> str | None:
        """The Debian mirror machines are sent to; the host's apt is asked once."""
        if self._mirror is None:
            try:
                self._mirror = mirror.find(self._settings).url
            except ConfigError:
                return None
        return self._mirror

    def _learned(self, client: Client) -> Learned:
        """What the machine taught the boot program, as far as it is kept and we may read it."""
        try:
            lessons = learning.decode((self._settings.run_dir / learning.FILE).read_bytes())
        except (OSError, ValueError):
            return learning.NOTHING
        return lessons.get(client.mac, learning.NOTHING)


def _foreign(profile: Profile, held: Iterable[Image], client: Client) -> str:
    """Why what the profile starts cannot run on the machine; "" where it may."""
    images = {image.name: image for image in held}
    made_for = foreign(images.get(profile.image or ""), client.arch)
    kind = kind_of(client).name
    return made_for and f"image {profile.image} is for {made_for}, and cannot start on {kind}"


def _with_volume(reasons: tuple[str, ...], volume: Volume, node: Node) -> tuple[str, ...]:
    """Say after the first reason, which is the profile, what the node starts from by it."""
    try:
        name = initiator(node.name, node.vars)
    except ValueError:  # its script cannot be made, and says why
        return reasons
    said = f"volume {volume.name} is attached to it: {volume.uri}, where it is {name}"
    return (reasons[0], said, *reasons[1:])


def client_of(
    mac: str, arch: str | int | None, firmware: str | None, source: str, keys: tuple[str, str]
) -> Client:
    """A client as somebody describes it.

    Args:
        mac: any spelling.
        arch: DHCP option 93, decimal or 0x…; None for what ``firmware`` runs on, else x64.
        firmware: how it speaks; None for what ``arch`` says.
        source: where that stands, for errors.
        keys: what MAC and architecture are called there.

    Raises:
        ConfigError: one of them is none.
    """
    usual = _USUAL_ARCH.get(firmware or "", Arch.X64)
    number = int(usual) if arch is None else _number(str(arch), source, keys[1])
    kind = Firmware(firmware) if firmware is not None else usual_firmware(number)
    try:
        return Client(parse_mac(mac), kind, number)
    except ValueError as problem:
        raise ConfigError(source, keys[0], str(problem)) from None


def client_as(node: Node, client: Client) -> Client:
    """The client with everything else ``node`` is known by."""
    return replace(client, uuid=node.uuid, serial=node.serial, asset_tag=node.asset_tag)


def _number(text: str, source: str, key: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= LARGEST_ARCH:
        problem = f'= "{text}": must be a number from 0 to {LARGEST_ARCH:#x}, such as {_SUCH_AS}'
        raise ConfigError(source, key, problem)
    return number


def _explained(client: Client, match: Match | None, decision: Decision) -> Explained:
    return Explained(
        mac=client.mac,
        arch=client.arch,
        firmware=client.firmware,
        node=None if match is None else match.node.name,
        verdict=decision.verdict.value,
        profile=decision.profile,
        loader=decision.loader,
        shape=None if decision.shape is None else decision.shape.value,
        reasons=decision.reasons,
    )
