"""What is wrong with this network, and what to do: settings flow in, findings flow out.

``look`` gathers the facts that more than one check needs into a ``Context``; ``examine`` runs the
checks, each a function ``(context) -> Iterable[Finding]`` in a module of its own, whose judgement
is a pure function beside it. Nothing here changes anything: the store is read without its lock,
DHCP is asked without taking a lease, and of the mirror only the configured one is asked.
"""

from netboot.doctor.context import Context, look
from netboot.doctor.examination import CHECKS, examine
from netboot.doctor.finding import Finding, Severity

__all__ = ["CHECKS", "Context", "Finding", "Severity", "examine", "look"]
