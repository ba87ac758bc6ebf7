"""Everything that can go wrong, split by whose fault it is.

``MalformedPacket`` is a peer's fault: counted and dropped, never raised to a person.
``NotServed`` and ``NotBootable`` are answers: the machine asked for something we will not give.
``ConfigError`` is ours or our operator's: one line, exit code 2, nothing changed.
``OperationError`` is the world's: a mirror is away, a disk is full; exit code 1.
``BmcError`` is a BMC's: it refused, failed or went silent; exit code 1.
"""


class NetbootError(Exception):
    """Base of every error this project raises on purpose; its text is one line for a person."""


class MalformedPacket(NetbootError):  # noqa: N818 -- the field's own name for it
    """Bytes from the network that do not follow their RFC; the text is a reason to count by."""


class NotServed(NetbootError):  # noqa: N818 -- an answer, not a failure of ours
    """A name that is not in the catalogue, or is in it and cannot be read."""


class AlreadyGiven(NotServed):
    """A secret that a boot gets once was asked for again."""


class NotBootable(NetbootError):  # noqa: N818 -- an answer, not a failure of ours
    """A machine whose script or answer file cannot be made; the text names template and line."""


class ConfigError(NetbootError):
    """Bad configuration or input.

    Attributes:
        source: the file (or "environment", "command line") it stands in.
        key: dotted path of the offending key, "" for the whole file.
        problem: what is wrong and what is allowed; ``= VALUE: …`` where the value is told.
    """

    def __init__(self, source: str, key: str, problem: str) -> None:
        self.source = source
        self.key = key
        self.problem = problem
        if not key:
            text = problem.removeprefix("= ")
        elif problem.startswith("= "):
            text = f"{key} {problem}"
        else:
            text = f"{key}: {problem}"
        super().__init__(f"{source}: {text}")


class OperationError(NetbootError):
    """Something we were asked to do could not be done; the text says what and why."""


class BmcError(NetbootError):
    """A BMC refused, failed or was not heard; the text has its own words.

    Attributes:
        retryable: the same request may work later.
        effect_unknown: the BMC may have acted though no reply came; read before repeating.
        request: what was sent, in one line; "" where that says nothing.
    """

    def __init__(
        self,
        problem: str,
        *,
        retryable: bool = False,
        effect_unknown: bool = False,
        request: str = "",
    ) -> None:
        self.retryable = retryable
        self.effect_unknown = effect_unknown
        self.request = request
        super().__init__(problem)
