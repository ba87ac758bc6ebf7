"""A virtual BMC before a machine that exists in memory only, until it is interrupted.

    python -m netboot.lab.bmc [--personality NAME] [--port PORT] [--tls] [--fault KIND[:METHOD]] …

prints its address, and at the end what the machine started from. The login is ``admin`` and
``password`` unless told otherwise.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from msgspec import structs

from netboot.bmc import quirks
from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.certificate import self_signed
from netboot.lab.bmc.faults import Fault, Kind
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc

SWITCHES = tuple(each.name for each in structs.fields(Quirk) if isinstance(each.default, bool))
"""Quirks that can be switched on and off."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one; 0, or 1 where its address cannot be had."""
    options = _parser().parse_args(argv)
    certificate = self_signed(options.address) if options.tls else None
    machine = FakeMachine(options.mac or ["52:54:00:00:00:01"])
    password = options.password_file.read_text().rstrip("\n") if options.password_file else None
    bmc = VirtualBmc(
        machine,
        _switched(quirks.known()[options.personality], options.on, options.off),
        address=options.address,
        port=options.port,
        certificate=certificate,
        user=options.user,
        **({"password": password} if password is not None else {}),
    )
    for fault in options.fault:
        bmc.faults.add(fault)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        bmc.start()
    except OSError as error:
        sys.stderr.write(f"{options.address}:{options.port}: {error.strerror}\n")
        return 1
    fingerprint = f" SHA-256 {certificate.fingerprint}" if certificate else ""
    sys.stdout.write(f"{bmc.url}{fingerprint}\n")
    sys.stdout.flush()
    ended.wait()
    bmc.stop()
    sys.stdout.write("".join(f"{boot}\n" for boot in machine.boots))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m netboot.lab.bmc", description=__doc__)
    parser.add_argument("--personality", choices=tuple(quirks.known()), default=quirks.GENERIC)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="TCP; default: a free one")
    parser.add_argument("--tls", action="store_true", help="HTTPS, self-signed")
    parser.add_argument("--mac", action="append", help="of the machine; once for each NIC")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--on", action="append", default=[], choices=SWITCHES, metavar="QUIRK")
    parser.add_argument("--off", action="append", default=[], choices=SWITCHES, metavar="QUIRK")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="KIND[:METHOD[:PATH[:TIMES]]]",
        help=f"one of {', '.join(get_args(Kind))}",
    )
    return parser


def _switched(quirk: Quirk, on: Sequence[str], off: Sequence[str]) -> Quirk:
    changes: dict[str, bool] = dict.fromkeys(on, True) | dict.fromkeys(off, False)
    return structs.replace(quirk, **changes)


def _fault(text: str) -> Fault:
    kind, method, path, times = (*text.split(":"), "", "", "")[:4]
    if kind not in get_args(Kind) or not (times or "1").isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be KIND[:METHOD[:PATH[:TIMES]]]")
    return Fault(cast("Kind", kind), method, path, int(times or 1), seconds=1.0)


if __name__ == "__main__":
    sys.exit(main())
