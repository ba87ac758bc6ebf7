"""Measure netboot beside the best there is, in one run on one machine.

    python -m benchmarks.run [NAME …] [--size small|full]

Needs root: each server has a LAN of network namespaces. One line for each work as it is done, and
a Markdown table at the end, both to standard output. Nothing that is timed makes this fail; an
answer that netboot failed to give does.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import bmc, dhcp, installs, media, program, real, script, storm, tftp
from benchmarks.compare import row, table, take_turns
from benchmarks.work import SIZES, Size, Work
from netboot.errors import OperationError

WORKS = {
    work.name: work
    for module in (dhcp, tftp, media, script, storm, real, program, bmc, installs)
    for work in module.WORKS
}


def measure(work: Work, size: Size) -> tuple[str, ...]:
    """Do one work and say how it went: a row of the table."""
    with work.sides(size) as sides:
        return row(work, sides, take_turns(work, sides, size))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(WORKS)}")
    parser.add_argument("--size", choices=SIZES, default="full")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(WORKS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(WORKS)}")
    rows = []
    for name in asked.names or WORKS:
        try:
            rows.append(measure(WORKS[name], SIZES[asked.size]))
        except OperationError as problem:
            last = str(problem).strip().splitlines()[-1]
            rows.append((WORKS[name].title, "-", f"FAILED: {last}", "-", "-", WORKS[name].goal))
        print(" · ".join(rows[-1]), flush=True)
    print()
    print(table(rows))
    return int(any("FAILED" in netboot for _title, _peer, netboot, *_ in rows))


if __name__ == "__main__":
    sys.exit(main())
