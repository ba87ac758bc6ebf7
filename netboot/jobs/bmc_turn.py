"""One action on one machine: its BMC's driver, and every step of it in the machine's timeline.

The timeline has who asked what, each way that was tried, and the BMC's own words. A password is
cut out of those words even where a BMC repeats it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from netboot.bmc import credentials
from netboot.bmc.credentials import Safe
from netboot.bmc.driver import Driver, HasScreen
from netboot.bmc.history import Came, Did
from netboot.bmc.history import Event as Step
from netboot.bmc.model import Login, Secret
from netboot.config import PowerCommands
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.jobs.screens import Screens
from netboot.model import Node
from netboot.store.bmc_shapes import Bmc
from netboot.store.store import Store

LONGEST_WORDS = 500
"""Characters of a BMC's words that are kept and shown."""

Say = Callable[[str], None]
"""Shows somebody a sentence."""
Opener = Callable[[Node, Bmc, Login | None, Say], Driver]
"""Opens the driver for a node's BMC; ``Say`` is told what a person must do."""

_CAME = {
    Came.INTENT: "is asked for",
    Came.OK: "taken",
    Came.BUSY: "busy",
    Came.REFUSED: "refused",
    Came.UNKNOWN: "no reply",
    Came.SILENT: "nothing was heard yet",
}
_DID = {
    Did.READ: "read",
    Did.SET: "boot override",
    Did.LISTEN: "the machine",
    Did.CLEAR: "boot override cleared",
    Did.CLIMB: "given up",
    Did.EJECT: "ejection of the springboard",
}


class Leaving(OperationError):  # noqa: N818 -- its name says what is wrong
    """The program ends, so nothing is waited for any longer."""


@dataclass(slots=True)
class Turn:
    """One action on one machine.

    Attributes:
        node: whose.
        asked: what, in words.
        asker: who asked.
        store: keeps the timeline.
        arrived: called when events were kept.
        leaving: set when the program ends.
        screens: keeps screenshots; None where nobody does.
        secret: never written down.
        job: the number of the job whose turn it is, 0 where an operator acts himself.
        alive: called now and then while it goes on.
        last: what happened last, for whoever looks on.
        said: what a person was told to do, "" where nobody is needed.
        driver: None until it is open.
    """

    node: Node
    asked: str
    asker: str
    store: Store
    arrived: Callable[[], None]
    leaving: threading.Event
    screens: Screens | None = None
    secret: Secret | None = None
    job: int = 0
    alive: Callable[[], object] = lambda: None
    last: str = "begins"
    said: str = ""
    driver: Driver | None = field(default=None, repr=False)

    @property
    def hands(self) -> Driver:
        """The driver, which is open."""
        if self.driver is None:
            raise RuntimeError("the driver is not open yet")
        return self.driver

    @property
    def mac(self) -> str:
        """What the machine is called on the wire, else its name."""
        return self.node.macs[0] if self.node.macs else self.node.name

    def tell(self, detail: str, came: str, **data: str) -> None:
        """Write a line into the timeline; it is safe on disk when this returns."""
        self.last = self.clean(detail)
        values = {"by": self.asker, "asked": self.asked, "came": came} | data
        values |= {"job": str(self.job)} if self.job else {}
        values |= {"driver": self.driver.name} if self.driver else {}
        mac = self.node.macs[0] if self.node.macs else None
        clean = {key: self.clean(value) for key, value in values.items() if value}
        self.store.append_events([Event(Kind.BMC, mac, self.node.name, self.last, clean)])
        self.arrived()

    def record(self, step: Step) -> None:
        """Write a step of the closed loop down; a good reading is no news to anybody."""
        if (step.did, step.came) == (Did.READ, Came.OK):
            return
        rung = step.rung.value if step.rung else ""
        self.tell(
            said_step(step),
            step.came.value,
            did=step.did.value,
            rung=rung,
            words=step.words,
            request=step.request,
        )

    def clean(self, words: str) -> str:
        """One line of bounded length without the password."""
        if self.secret and (text := self.secret.reveal()):
            words = words.replace(text, "…")
        line = " ".join(words.split())
        return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 1]}…"

    def cleaned(self, error: BmcError) -> BmcError:
        """The error in words that may be shown."""
        return BmcError(
            self.clean(str(error)),
            retryable=error.retryable,
            effect_unknown=error.effect_unknown,
        )

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Leaving: the program ends meanwhile.
        """
        self.alive()
        if self.leaving.wait(seconds):
            raise Leaving(f"the control program ended during {self.asked}; its timeline says more")

    @staticmethod
    def clock() -> float:
        """Epoch seconds."""
        return time.time()


@contextlib.contextmanager
def opened(turn: Turn, bmc: Bmc, safe: Callable[[], Safe], opener: Opener) -> Iterator[Driver]:
    """The driver of a turn, until the block ends; what a BMC says never holds its password.

    Raises:
        BmcError: what was raised inside, in words that may be shown; or it cannot be opened.
        ConfigError: whom to wake is not known.
        OperationError: the password is not to be had.
    """
    try:
        login = login_of(turn.node.name, bmc, safe)
        turn.secret = login.password if login else None
        turn.driver = opener(turn.node, bmc, login, partial(_told, turn))
        try:
            yield turn.driver
        finally:
            turn.driver.close()
    except BmcError as error:
        raise turn.cleaned(error) from None


def _told(turn: Turn, sentence: str) -> None:
    """Somebody must do it: tell them."""
    turn.said = sentence.removeprefix(f"{turn.node.name}: ")
    turn.tell(f"a person must do it: {sentence}", "asked")


def keep_screen(turn: Turn) -> None:
    """Keep what the machine shows, where its BMC sees it, and name the file in the timeline."""
    if turn.screens is None or not isinstance(turn.hands, HasScreen):
        return
    try:
        image = turn.hands.screenshot()
        path = image and turn.screens.keep(turn.node.name, image, turn.clock())
    except (BmcError, OperationError) as error:
        turn.tell(f"its screen cannot be kept: {error}", Came.REFUSED.value)
    else:
        if path:
            turn.tell(f"its screen is in {path}", Came.OK.value, screenshot=str(path))


def said_step(step: Step) -> str:
    """A step in words, such as ``full-body: boot override refused: Property Boot is unknown``."""
    what = step.action or _DID.get(step.did, step.did.value)
    rung = f"{step.rung}: " if step.rung and step.did in (Did.SET, Did.CLIMB) else ""
    if step.did is Did.CLIMB:
        return f"{rung}{what}: {step.words}"
    if step.did in (Did.LISTEN, Did.FETCH) and step.came is Came.OK:
        return step.words
    words = f": {step.words}" if step.words else ""
    request = f" ({step.request})" if step.request else ""
    return f"{rung}{what} {_CAME[step.came]}{words}{request}"


def no_bmc(name: str, source: str) -> ConfigError:
    """The error that a node has no BMC."""
    problem = f"node {name} has no BMC; `netboot node set {name} --bmc URL` says where"
    return ConfigError(source, "bmc", problem)


def login_of(name: str, bmc: Bmc, safe: Callable[[], Safe]) -> Login | None:
    """Who we are to a BMC; None where nobody logs in. Blocks while a vault is asked.

    Raises:
        OperationError: the password is not to be had.
    """
    if not bmc.user:
        return None
    if bmc.source:
        return Login(bmc.user, credentials.read(bmc.source))
    secret = safe().open(name, bmc.sealed) if bmc.sealed else Secret("")
    return Login(bmc.user, secret)


def open_for(
    node: Node,
    bmc: Bmc,
    login: Login | None,
    say: Say,
    commands: Mapping[str, PowerCommands] | None = None,
) -> Driver:
    """The driver for a node's BMC; ``commands`` are those of the configuration.

    Raises:
        ConfigError: whom to wake is not known.
        BmcError: it cannot be opened.
    """
    if bmc.address.scheme == "manual":
        from netboot.bmc.manual import ManualDriver  # noqa: PLC0415 -- drivers are loaded when used

        return ManualDriver(node.name, say)
    from netboot.bmc.open import open_driver  # noqa: PLC0415 -- likewise: sushy costs 0.3 s

    address = bmc.address
    if address.scheme == "wol" and address.mac is None:
        if not node.macs:
            problem = f"node {node.name} has no MAC to wake; say wol:MAC or add its MAC"
            raise ConfigError("node", "bmc.address", problem)
        address = replace(address, mac=node.macs[0])
    if address.scheme == "command" and node.macs:
        address = replace(address, mac=node.macs[0])
    return open_driver(address, login, bmc.tls, machine=node.name, commands=commands)
