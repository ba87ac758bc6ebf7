"""Looking round before serving: settings flow in, what this network is like flows out.

``network`` says where we could serve, ``sockets`` who holds what we need, ``dhcp`` which servers
answer out there, and ``report`` puts it into four lines. Nothing here changes anything, takes a
lease, or waits longer than ``dhcp.TIMEOUT``.
"""

from netboot.survey.dhcp import DhcpServer, Role, dhcp_servers
from netboot.survey.network import Interface, all_interfaces, choose, interfaces
from netboot.survey.report import Survey, four_lines, look_round
from netboot.survey.sockets import Holder, Port, holder, ports

__all__ = [
    "DhcpServer",
    "Holder",
    "Interface",
    "Port",
    "Role",
    "Survey",
    "all_interfaces",
    "choose",
    "dhcp_servers",
    "four_lines",
    "holder",
    "interfaces",
    "look_round",
    "ports",
]
