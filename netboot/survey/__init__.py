"""Looking round before serving: settings flow in, what this network is like flows out.

``network`` says where we could serve, ``sockets`` who holds what we need, ``dhcp`` which servers
answer out there, ``routes`` where our answers would go, ``echo`` how long a packet gets through,
and ``report`` puts the first three into four lines. Nothing here changes anything, takes a lease,
or waits longer than it is told to.
"""

from netboot.survey.dhcp import DhcpServer, Role, dhcp_servers
from netboot.survey.echo import answered
from netboot.survey.network import Interface, all_interfaces, choose, driver, interfaces
from netboot.survey.report import Survey, four_lines, look_round
from netboot.survey.routes import NetPath, Route, device_to, neighbours, path_to, route_table
from netboot.survey.sockets import Holder, Port, holder, ports

__all__ = [
    "DhcpServer",
    "Holder",
    "Interface",
    "NetPath",
    "Port",
    "Role",
    "Route",
    "Survey",
    "all_interfaces",
    "answered",
    "choose",
    "device_to",
    "dhcp_servers",
    "driver",
    "four_lines",
    "holder",
    "interfaces",
    "look_round",
    "neighbours",
    "path_to",
    "ports",
    "route_table",
]
