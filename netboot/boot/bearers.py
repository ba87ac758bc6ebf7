"""Who shows a token: one boot of one machine, which gets its files and says how far it is.

A token opens what it was made for: while its machine is to be installed or wiped (or boots with an
answer file), for the installation it was made for, from the first address that shows it, and each
secret file once. Once the installer called home it opens nothing, and the call may be repeated, for
our answer may have been lost; once it was given up it opens no file, and what it says is still
heard. What a good token no longer opens is written down, for its machine waits for that.
"""

from collections.abc import Callable, Mapping

from netboot.answer.answers import SECRET_FILES
from netboot.answer.san import CHAP_FILE, failures
from netboot.answer.tokens import Grant, Tokens
from netboot.boot.machines import Machines
from netboot.boot.personal import Personal
from netboot.errors import NotBootable, NotServed
from netboot.events import Kind
from netboot.model import Client, Mac, Node, Profile, State

MAX_REPORT = 500
"""Characters of each thing an installer says that are kept."""

_REPORTED = {"stage": "{}", "detail": "{}", "status": "exit status {}", "hostkey": "host key {}"}


class Bearers:
    """Gives tokens, and answers who shows one.

    Args:
        machines: who is who.
        personal: what is rendered for one machine.
        tokens: makes and checks tokens.

    Attributes:
        on_home: called when an installer called home, before it is answered.
    """

    def __init__(self, machines: Machines, personal: Personal, tokens: Tokens) -> None:
        self._machines = machines
        self._personal = personal
        self._tokens = tokens
        self.on_home: Callable[[], None] = lambda: None

    def issue(self, mac: Mac, node: Node | None, profile: Profile) -> str | None:
        """A token for a boot of ``profile``; None where it has nothing to get and nothing to say.

        Raises:
            NotBootable: nobody heard the machine's DISCOVER.
        """
        if not _needs_token(profile):
            return None
        if not self._machines.attempts.may_have_token(mac, self._machines.clock()):
            raise NotBootable(
                f"{mac} sent no DISCOVER in the last hour, so it gets no secrets; "
                "restart it, and see that its DHCP requests reach this server"
            )
        return self._tokens.issue(mac, _installation(node))

    def file(self, token: str, name: str, peer: str, local: str) -> bytes:
        """A file that belongs to one boot of one machine.

        Raises:
            AlreadyGiven: this boot has had it.
            NotServed: the token or the name is not good.
        """
        client, profile = self._bearer(self._tokens.check(token))
        mac, node = client.mac, self._machines.node(client)
        server = self._machines.server(local)
        kind = Kind.FILE if name == CHAP_FILE else Kind.PRESEED
        try:
            if name == CHAP_FILE:
                content = self._personal.chap(profile, self._machines.volume(node))
            else:
                content = self._personal.answer(name, client, node, profile, server, token)
        except NotBootable as problem:
            self._machines.record(Kind.FAILED, mac, str(problem), profile=profile.name)
            raise NotServed(str(problem)) from problem
        self._shown(mac, peer, name)
        self._machines.record(kind, mac, f"{name} by HTTP", file=name, address=peer)
        return content

    def report(self, token: str, query: Mapping[str, str], peer: str, *, last: bool) -> None:
        """The installer says how far it is, or that it is at its end.

        Args:
            token: of its boot.
            query: ``stage``, ``detail``, ``status`` and ``hostkey``, as far as it has them;
                ``fatal`` where it can not go on; or ``failed``, a word of
                ``netboot.answer.san.failures``.
            peer: the address it speaks from.
            last: it called home: from now on the machine starts from its disk.

        Raises:
            NotServed: the token is not good.
        """
        grant = self._tokens.check(token)
        if last and self._is_heard(grant, peer):
            return
        try:
            client, erases = self._reporter(grant)
        except NotServed:
            if last and self._is_installed(grant):
                return
            raise
        mac, node = client.mac, self._machines.node(client)
        self._shown(mac, peer)
        said = {key: query[key][:MAX_REPORT] for key in _REPORTED if query.get(key)}
        detail = ", ".join(_REPORTED[key].format(said[key]) for key in said)
        said.pop("detail", None)  # it stands in the line
        if last and erases:
            self._machines.installations.called_home(mac, node, self._machines.clock())
            self.on_home()
            self._machines.home(mac, _installation(node), detail, **said)
        elif erases and query.get("fatal"):
            number = _installation(node)
            self._machines.record(Kind.FAILED, mac, detail, **said, installation=number)
        elif failed := self._failure(node, query):
            self._machines.record(Kind.FAILED, mac, failed)
        else:
            self._machines.record(Kind.PROGRESS, mac, detail or "it is at work", **said)

    def _is_heard(self, grant: Grant, peer: str) -> bool:
        """Whether this boot has called home before: it does again where our answer was lost.

        Raises:
            NotServed: another boot's address shows it.
        """
        if not self._machines.installations.has_called(grant.mac, grant.installation):
            return False
        self._shown(grant.mac, peer)
        return True

    def _is_installed(self, grant: Grant) -> bool:
        """Whether a good token's installation counts as done, as where somebody said that it is.

        Its machine is answered then, or it would call home for ever.
        """
        node = self._machines.node(self._machines.as_loaded(grant.mac))
        if node is None or node.state is not State.INSTALLED:
            return False
        return grant.installation == node.installation

    def _failure(self, node: Node | None, query: Mapping[str, str]) -> str:
        """How a boot from the node's volume failed, as its script says; "" where it does not."""
        volume = self._machines.volume(node)
        return "" if volume is None else failures(volume).get(query.get("failed", ""), "")

    def _reporter(self, grant: Grant) -> tuple[Client, bool]:
        """Whose boot a token is of, and whether that erases its disk.

        An installer that was given up, for it took too long, is still heard: it may get there.

        Raises:
            NotServed: that boot has nothing more to say.
        """
        client = self._machines.as_loaded(grant.mac)
        node = self._machines.node(client)
        given_up = node is not None and node.state is State.FAILED
        done = self._machines.installations.is_done(grant.mac, node)
        if given_up and not done and grant.installation == _installation(node):
            return client, True
        client, profile = self._bearer(grant)
        return client, profile.erases

    def _bearer(self, grant: Grant) -> tuple[Client, Profile]:
        """Whose boot a token is of, and what it boots.

        Raises:
            NotServed: that boot has nothing more to get or say.
        """
        client = self._machines.as_loaded(grant.mac)
        try:
            return client, self._opened(grant, client)
        except NotServed as problem:
            line = f"its token opens nothing more: {problem}"
            self._machines.record(Kind.NOT_SERVED, grant.mac, line)
            raise

    def _opened(self, grant: Grant, client: Client) -> Profile:
        """What the token of ``grant`` opens.

        Raises:
            NotServed: nothing.
        """
        decision = self._machines.decide(client)
        if grant.installation != _installation(self._machines.node(client)):
            raise NotServed("it is of an earlier installation")
        if decision.profile is None:
            raise NotServed(decision.reasons[-1])
        profile = self._machines.chosen(grant.mac, decision.profile)
        if not _needs_token(profile):
            raise NotServed(decision.reasons[0])
        return profile

    def _shown(self, mac: Mac, peer: str, name: str | None = None) -> None:
        """A token of ``mac`` was shown by ``peer``, for the file ``name`` where it is one.

        Raises:
            NotServed: it belongs to another address, or the file was given before.
        """
        try:
            self._machines.attempts.show(mac, peer)
            if name in SECRET_FILES:
                self._machines.attempts.give(mac, name)
        except NotServed as problem:
            line = f"{problem}; asked for by {peer}"
            self._machines.record(Kind.ALARM, mac, line, address=peer)
            raise
        self._machines.speaks(mac, peer)


def _needs_token(profile: Profile) -> bool:
    return profile.erases or profile.volume or profile.answer is not None


def _installation(node: Node | None) -> int:
    return 0 if node is None else node.installation
