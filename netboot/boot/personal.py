"""What is made for one machine: its iPXE script and the answer files behind its token."""

from collections.abc import Iterable, Mapping

from netboot.answer.answers import ANSWER_FILES, render_answer
from netboot.answer.render import Templates
from netboot.answer.script import autoexec_script, render_script
from netboot.errors import NotServed
from netboot.model import Client, Image, Node, Profile, Server


class Personal:
    """Renders what machines are given.

    Args:
        templates: where scripts and answer files are looked up.

    Attributes:
        images: what is installed, by name.
        mirror: the Debian mirror installers are sent to, None while it is not known.
    """

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self.images: Mapping[str, Image] = {}
        self.mirror: str | None = None

    def autoexec(self, server: Server) -> str:
        """The script iPXE runs first; it leads to the machine's own."""
        return autoexec_script(server, templates=self._templates)

    def script(
        self,
        client: Client,
        node: Node | None,
        profile: Profile,
        server: Server,
        token: str | None,
        profiles: Iterable[Profile],
    ) -> str:
        """The iPXE script of a machine.

        Every answer file is rendered along for its errors: the machine hears of them now, not in
        mid-installation.

        Raises:
            NotBootable: one of them cannot be made; the text says why.
        """
        if token is not None and profile.answer is not None:
            for name in ANSWER_FILES[profile.answer.kind]:
                self.answer(name, client, node, profile, server, token)
        return render_script(
            node,
            client,
            profile,
            self.images.get(profile.image or ""),
            server,
            None if token is None else token_url(server, token),
            profiles=profiles,
            templates=self._templates,
        )

    def answer(
        self,
        name: str,
        client: Client,
        node: Node | None,
        profile: Profile,
        server: Server,
        token: str,
    ) -> bytes:
        """An answer file of a machine.

        Raises:
            NotServed: its profile has no file of that name.
            NotBootable: it cannot be made; the text says why.
        """
        if profile.answer is None or name not in ANSWER_FILES[profile.answer.kind]:
            raise NotServed(f"profile {profile.name} has no {name}")
        return render_answer(
            name,
            node,
            profile,
            server,
            self.mirror,
            mac=client.mac,
            image=self.images.get(profile.image or ""),
            token_url=token_url(server, token),
            templates=self._templates,
        )


def token_url(server: Server, token: str) -> str:
    """Where a boot's own files are."""
    return f"{server.url}/node/{token}"
