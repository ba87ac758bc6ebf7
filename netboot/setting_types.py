"""The types of single settings: what each may be, in words a person can act on."""

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
WindowSize = Annotated[int, Meta(ge=1, le=1024)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Threads = Annotated[int, Meta(ge=1, le=256)]
Lease = Annotated[int, Meta(ge=60, le=3600)]
InterfaceName = Annotated[
    str,
    Meta(
        pattern=r"^[^\s/]{1,15}\Z",  # IFNAMSIZ - 1
        description="an interface name of 1 to 15 characters such as eth0",
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,62}\Z",
        description="ignore, local, menu or a profile's name (lower-case letters, digits, . and -)",
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/]+[^\s]*\Z",
        description="a URL that starts with http:// or https://",
    ),
]
ProxyUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/\"]+[^\s\"]*\Z",  # apt wants it in quotes
        description="a URL such as http://proxy.example:3142",
    ),
]
_SHARE = r"://[^\s/@?#]+(/[^\s@?#]*)?\Z"
NfsUrl = Annotated[
    str, Meta(pattern="^nfs" + _SHARE, description="a URL such as nfs://192.0.2.10/netboot")
]
CifsUrl = Annotated[
    str, Meta(pattern="^cifs" + _SHARE, description="a URL such as cifs://192.0.2.10/netboot")
]
Folder = Annotated[
    str, Meta(pattern=r"^[^\x00]+\Z", description="a folder such as /var/lib/netboot")
]
File = Annotated[
    str, Meta(pattern=r"^[^\x00]+\Z", description="a file such as /etc/netboot/api.crt")
]
HostName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9:._-]{1,253}\Z",
        description="a host name without a port such as netboot.example",
    ),
]
TemplatesFolder = Annotated[
    str,
    Meta(
        pattern=r"^/[^\x00]*\Z",  # the programs and every command must mean the same folder
        description="an absolute path such as /etc/netboot/templates",
    ),
]
Database = Annotated[
    str,
    Meta(
        pattern=r"^(sqlite:///[^\x00?]+|postgres[^\x00]*)\Z",
        description="a URL such as sqlite:////var/lib/netboot/netboot.db"
        " or postgresql://netboot@db.example/netboot",
    ),
]
Listen = Annotated[
    str,
    Meta(
        pattern=r"^[^\s]+:[0-9]{1,5}\Z",
        description="an address and a port such as 127.0.0.1:8443",
    ),
]
CommandLine = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00]*\S[^\x00]*\Z",
        max_length=1024,
        description="a program and its arguments, as in a shell without one",
    ),
]
FacadeUser = Annotated[
    str,
    Meta(
        pattern=r"^[!-9;-~]{1,64}\Z",
        description="a user's name of 1 to 64 characters, none of them a colon",
    ),
]
