"""All checks, run at the same time, told in their order."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from netboot.doctor import (
    dhcp,
    drift,
    firewall,
    images,
    interfaces,
    mirror,
    mtu,
    nodes,
    ports,
    programs,
    reach,
    routes,
    secure_boot,
    served,
)
from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.errors import ConfigError, NetbootError

TIME = 10.0
"""Seconds the checks get together; what is not done by then says so."""
TIME_IN_FULL = 600.0
"""The same where every file is hashed."""

Check = Callable[[Context], Iterable[Finding]]

CHECKS: Mapping[str, Check] = {
    "interfaces": interfaces.check,
    "mtu": mtu.check,
    "dhcp": dhcp.check,
    "reach": reach.check,
    "firewall": firewall.check,
    "routes": routes.check,
    "ports": ports.check,
    "programs": programs.check,
    "images": images.check,
    "secure boot": secure_boot.check,
    "served": served.check,
    "nodes": nodes.check,
    "mirror": mirror.check,
    "drift": drift.check,
}
"""In the order of a boot, from the cable up."""


def examine(
    context: Context,
    progress: Callable[[Sequence[str]], None] = lambda _left: None,
    checks: Mapping[str, Check] = CHECKS,
) -> list[Finding]:
    """Run every check, each in a thread of its own; they mostly wait.

    Args:
        context: the facts.
        progress: told the names of the checks that are not done yet.
        checks: what to run.
    """
    done: dict[str, list[Finding]] = {}
    results: queue.SimpleQueue[tuple[str, list[Finding] | BaseException]] = queue.SimpleQueue()
    for name, check in checks.items():
        # daemons: one that hangs in spite of its own limits keeps nobody from leaving
        arguments = (name, check, context, results)
        threading.Thread(target=_work, args=arguments, name=name, daemon=True).start()
    limit = TIME_IN_FULL if context.full else TIME
    deadline = time.monotonic() + limit
    while left := [name for name in checks if name not in done]:
        progress(left)
        try:
            name, found = results.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            late = f"not done within {limit:.0f} s"
            done |= {name: [Finding(name, Severity.NOTICE, late)] for name in left}
            break
        if isinstance(found, BaseException):
            raise found
        done[name] = found
    return [finding for name in checks for finding in done[name]]


def _work(
    name: str,
    check: Check,
    context: Context,
    results: "queue.SimpleQueue[tuple[str, list[Finding] | BaseException]]",
) -> None:
    try:
        results.put((name, findings(name, check, context)))
    except BaseException as fault:  # noqa: BLE001 -- raised again by the thread that asked
        results.put((name, fault))


def findings(name: str, check: Check, context: Context) -> list[Finding]:
    """What one check finds; one that cannot look says so."""
    found: list[Finding] = []
    try:
        found.extend(check(context))
    except ConfigError as problem:
        found.append(Finding(name, Severity.PROBLEM, str(problem), "correct it"))
    except NetbootError as problem:
        found.append(Finding(name, Severity.NOTICE, f"not looked at: {problem}"))
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        what = f"not looked at: {where}{problem.strerror or problem}"
        cure = "use sudo" if isinstance(problem, PermissionError) else ""
        found.append(Finding(name, Severity.NOTICE, what, cure))
    return found
