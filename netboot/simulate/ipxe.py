"""iPXE's script language, as far as our scripts and common ones use it.

An honest interpreter: what it does not know is ``command not found`` and ends the script, as in
iPXE. It does the commands that reach out through its ``Actions``, nobody sits at its keyboard, and
it ends where a kernel would start.
"""

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Protocol
from urllib.parse import quote

from netboot.simulate.effects import Steps

MAGIC = b"#!ipxe"
MAX_SCRIPT = 1 << 16
"""Bytes of a script that are read."""
MAX_STEPS = 2000
"""Commands one boot runs; a script that goes round and round ends here."""
MAX_DEPTH = 8
"""Scripts inside scripts."""
MAX_WORD = 4096
"""Characters one word may expand to."""
MAX_EXPANSIONS = 100
"""Settings one word may name."""
MAX_SLEEP = 3600

_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_TERMINATORS = ("||", "&&")
_LOADING = ("kernel", "initrd", "imgfetch", "imgselect", "module")
_AS: Mapping[str, Callable[[str], str]] = {
    # a setting's type -> how its value is written
    "hexhyp": lambda value: value.replace(":", "-"),
    "hexraw": lambda value: value.replace(":", ""),
    "uristring": lambda value: quote(value, safe=""),
}
_VALUED = ("--name", "-n", "--timeout", "-t")
"""Options of those and of ``chain`` that have a value."""


class Ended(Exception):  # noqa: N818 -- not an error: a script's last word
    """The script hands the machine on: to its firmware, its disk or its power button."""


class Actions(Protocol):
    """What a script can have done."""

    def chain(self, url: str) -> Steps[tuple[str, str]]:
        """Fetch what is to be run: its text, and the error ("" for none)."""

    def image(self, command: str, url: str, arguments: Sequence[str]) -> Steps[str]:
        """Fetch a kernel or another file; the error, "" for none."""

    def boot(self) -> Steps[str]:
        """Start the kernel; comes back only with an error."""

    def dhcp(self) -> Steps[str]:
        """Configure the network; the error, "" for none."""

    def sleep(self, seconds: float) -> Steps[None]:
        """Wait."""


class Interpreter:
    """Runs scripts.

    Args:
        settings: what ``${…}`` finds; scripts change it.
        actions: what reaches out.
    """

    def __init__(self, settings: MutableMapping[str, str], actions: Actions) -> None:
        self.settings = settings
        self._actions = actions
        self._steps = 0
        self._depth = 0
        self._replacement: str | None = None
        self._items: list[str] = []
        self._commands: Mapping[str, Callable[[Sequence[str]], Steps[str]]] = {
            "boot": self._boot,
            "chain": self._chain,
            "dhcp": self._dhcp,
            "imgexec": self._chain_or_boot,
            "sleep": self._sleep,
            **{name: partial(self._load, name) for name in _LOADING},
        }
        self._quick: Mapping[str, Callable[[Sequence[str]], str]] = {
            "choose": self._choose,
            "clear": self._set,
            "exit": self._exit,
            "inc": self._inc,
            "iseq": lambda words: "" if len(words) > 1 and words[0] == words[1] else "Not equal",
            "isset": lambda words: "" if any(words) else "No such setting",
            "item": self._item,
            "menu": self._menu,
            "poweroff": self._ended("switches the machine off"),
            "reboot": self._ended("restarts the machine"),
            "sanboot": self._ended("starts the machine's disk"),
            "set": self._set,
            "shell": self._ended("opens a shell, and nobody is there"),
            **dict.fromkeys(
                ("echo", "ifclose", "ifopen", "imgfree", "console", "cpair", "prompt"),
                lambda _words: "",
            ),
        }

    def run(self, text: str) -> Steps[str]:
        """Run a script to its end; the error it ended with, "" for none.

        Raises:
            Ended: it handed the machine on.
        """
        if self._depth >= MAX_DEPTH:
            return "Too many scripts inside scripts"
        self._depth += 1
        problem = yield from self._run(text)
        while self._replacement is not None:
            text, self._replacement = self._replacement, None
            problem = yield from self._run(text)
        self._depth -= 1
        return problem

    def _run(self, text: str) -> Steps[str]:
        lines = [line.strip() for line in text.splitlines()]
        labels = {line[1:]: at for at, line in enumerate(lines) if line.startswith(":")}
        at, problem = 0, ""
        while at < len(lines):
            line, at = lines[at], at + 1
            if not line or line[0] in "#:":
                continue
            problem, label = yield from self._line(line)
            if self._replacement is not None:
                return ""
            if label is not None and not problem:
                if label not in labels:
                    return f"goto {label}: No such label"
                at = labels[label]
            elif problem:
                return problem
        return problem

    def _line(self, line: str) -> Steps[tuple[str, str | None]]:
        """One line's error, and the label it goes to."""
        problem, before = "", ""
        for before, words in _commands(line.split()):
            if (before == "||" and not problem) or (before == "&&" and problem):
                continue
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise Ended(f"goes round and round: {MAX_STEPS} commands")
            expanded = [self.expand(word) for word in words]
            if not expanded:
                problem = ""
            elif expanded[0] == "goto":
                return "", expanded[1] if len(expanded) > 1 else ""
            else:
                problem = yield from self._command(expanded[0], expanded[1:])
            if self._replacement is not None:
                break
        return problem, None

    def _command(self, name: str, words: Sequence[str]) -> Steps[str]:
        if name in self._quick:
            return self._quick[name](words)
        if name in self._commands:
            return (yield from self._commands[name](words))
        return f"{name}: command not found"

    def expand(self, word: str) -> str:
        """``word`` with every ``${setting}`` and ``${setting:type}`` replaced, innermost first."""
        for _ in range(MAX_EXPANSIONS):
            if (found := _INNERMOST.search(word)) is None:
                break
            word = word[: found.start()] + self._value(found[1]) + word[found.end() :]
            word = word[:MAX_WORD]
        return word

    def _value(self, name: str) -> str:
        name, _, kind = name.partition(":")
        value = self.settings.get(name, "")
        return _AS[kind](value) if kind in _AS else value

    # --- commands that only change settings

    def _set(self, words: Sequence[str]) -> str:
        name = words[0].partition(":")[0] if words else ""
        if len(words) > 1:
            self.settings[name] = " ".join(words[1:])[:MAX_WORD]
        else:
            self.settings.pop(name, None)
        return ""

    def _inc(self, words: Sequence[str]) -> str:
        if not words:
            return "Invalid argument"
        try:
            by = int(words[1], 0) if len(words) > 1 else 1
            self.settings[words[0]] = str(int(self.settings.get(words[0], "0"), 0) + by)
        except ValueError:
            return "Invalid argument"
        return ""

    def _menu(self, _words: Sequence[str]) -> str:
        self._items.clear()
        return ""

    def _item(self, words: Sequence[str]) -> str:
        _, rest = _parsed(words, ("--menu", "--key", "-m", "-k"))
        self._items += rest[:1]
        return ""

    def _choose(self, words: Sequence[str]) -> str:
        """Nobody is there: the timeout passes and the default is taken."""
        valued = ("--default", "-d", "--timeout", "-t", "--menu", "-m", "--keep", "-k")
        options, rest = _parsed(words, valued)
        picked = options.get("--default") or options.get("-d") or next(iter(self._items), "")
        if not rest or not picked:
            return "No such menu"
        self.settings[rest[0]] = picked
        return ""

    def _exit(self, words: Sequence[str]) -> str:
        status = words[0] if words else "0"
        raise Ended(f"exit {status}: the firmware goes on to its next boot device")

    def _ended(self, why: str) -> Callable[[Sequence[str]], str]:
        def end(_words: Sequence[str]) -> str:
            raise Ended(why)

        return end

    # --- commands that reach out

    def _chain(self, words: Sequence[str]) -> Steps[str]:
        options, rest = _parsed(words, _VALUED)
        if not rest:
            return "Invalid argument"
        text, problem = yield from self._actions.chain(rest[0])
        if problem:
            return problem
        if "--replace" in options or "-r" in options:
            self._replacement = text
            return ""
        return (yield from self.run(text))

    def _chain_or_boot(self, words: Sequence[str]) -> Steps[str]:
        _, rest = _parsed(words, _VALUED)
        return (yield from (self._chain(words) if rest and "://" in rest[0] else self._boot(rest)))

    def _load(self, command: str, words: Sequence[str]) -> Steps[str]:
        _, rest = _parsed(words, _VALUED)
        if not rest:
            return "Invalid argument"
        return (yield from self._actions.image(command, rest[0], rest[1:]))

    def _boot(self, words: Sequence[str]) -> Steps[str]:
        _, rest = _parsed(words, _VALUED)
        if rest and "://" in rest[0]:
            return (yield from self._chain(words))
        return (yield from self._actions.boot())

    def _dhcp(self, _words: Sequence[str]) -> Steps[str]:
        return (yield from self._actions.dhcp())

    def _sleep(self, words: Sequence[str]) -> Steps[str]:
        try:
            seconds = int(words[0])
        except (IndexError, ValueError):
            return "Invalid argument"
        yield from self._actions.sleep(min(max(seconds, 0), MAX_SLEEP))
        return ""


def _commands(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """A line's commands, each with the terminator before it."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in words:
        if word in _TERMINATORS:
            found.append((word, []))
        else:
            found[-1][1].append(word)
    return found


def _parsed(words: Sequence[str], valued: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options before the first word that is none, and the rest."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        name, given, value = option.partition("=")
        if given:
            options[name] = value
        else:
            options[option] = rest.pop(0) if option in valued and rest else ""
    return options, rest
