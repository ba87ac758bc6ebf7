"""What an operator has done to machines through their BMCs, each action verified.

Every method blocks, belongs into a thread, and raises BmcError with the BMC's own words. Two
actions never meet on one BMC: the second is refused at once, in words that name the first; the turn
of a job is waited for. Its status may always be read.
"""

from netboot.bmc.model import PowerAction
from netboot.control.bmc_shapes import (
    Answer,
    Known,
    MediaAsked,
    Overview,
    PowerAsked,
    said_hardware,
    said_override,
    said_url,
)
from netboot.control.bmc_steps import answer, eject, insert, patiently, start, stop
from netboot.control.volume_actions import VolumeActions
from netboot.errors import ConfigError
from netboot.jobs.bmc_turn import Turn
from netboot.store.bmc_shapes import bmc_shown

MOST_AT_ONCE = 256
"""BMCs that are spoken to at a time: a room of machines flips in the time of one."""


class Actions(VolumeActions):
    """All that is done to machines: status, power, media, and what its bases have."""

    def known(self, name: str, source: str) -> Known:
        """What is kept of a node's BMC and machine; asks nobody."""
        bmc, found = self._store.bmc(name, source), self._store.inspected(name, source)
        shown = bmc_shown(bmc) if bmc else None
        return Known(shown, found.hardware, found.seen) if found else Known(shown)

    def overview(self) -> Overview:
        """Every BMC, and what is being done right now."""
        bmcs = {name: bmc_shown(bmc) for name, bmc in self._store.bmcs().items()}
        return Overview(bmcs, dict(self.under_way()))

    def status(self, name: str, asker: str, source: str) -> Answer:
        """Read power, boot override and virtual media; nothing is written down."""

        def work(turn: Turn) -> Answer:
            seen = patiently(turn, turn.hands.observe)
            boot = "" if seen.boot is None else f", {said_override(seen.boot)}"
            return answer(turn, f"{seen.power}{boot}", seen)

        turn, bmc = self._turn(name, "status", asker, source)
        return self._with_driver(turn, bmc, work)

    def inspect(self, name: str, asker: str, source: str) -> Answer:
        """Read what the machine is, and keep it."""

        def work(turn: Turn) -> Answer:
            hardware = patiently(turn, turn.hands.inspect)
            self._store.keep_hardware(name, hardware, source)
            return Answer(name, said_hardware(hardware), hardware=hardware)

        return self._act(name, "inspect", asker, source, work)

    def power(self, name: str, asked: PowerAsked, asker: str, source: str) -> Answer:
        """Change the power, and see that it changed."""
        stops = asked.action in (PowerAction.OFF, PowerAction.SHUTDOWN)
        if asked.wait and not stops and not self._hears:
            problem = "hears the machine through `netboot serve`, which does not run"
            raise ConfigError(source, "wait", problem)

        def work(turn: Turn) -> Answer:
            return stop(turn, asked) if stops else start(turn, asked)

        return self._act(name, f"power {asked.action}", asker, source, work)

    def media(self, name: str, asked: MediaAsked, asker: str, source: str) -> Answer:
        """Insert or eject an image, and see that it is in or out."""
        url = asked.image(source)

        def work(turn: Turn) -> Answer:
            if url is None:
                return eject(turn, asked.slot)
            image = patiently(turn, lambda: self.readable(url, turn.hands))
            return insert(turn, image, asked.slot)

        said = f"insert {said_url(url)}" if url else "eject"
        return self._act(name, f"media {said}", asker, source, work)
