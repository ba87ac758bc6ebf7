"""One TOML file and ``NETBOOT_*`` variables → frozen, validated settings.

Every key is optional. A variable is its key's one-to-one name: ``NETBOOT_HTTP_PORT`` is
``http.port``; it wins over the file. Errors name the key and what is allowed.
"""

import ipaddress
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from netboot.checked import Checked, convert, read_toml, shown
from netboot.environment import from_environment
from netboot.errors import ConfigError
from netboot.setting_types import (
    CifsUrl,
    CommandLine,
    Count,
    Database,
    FacadeUser,
    File,
    Folder,
    HostName,
    InterfaceName,
    Lease,
    Listen,
    Name,
    NfsUrl,
    Port,
    ProxyUrl,
    TemplatesFolder,
    Threads,
    Url,
    WindowSize,
)

DEFAULT_PATH = Path("/etc/netboot/netboot.toml")


class Server(Checked, frozen=True):
    """Where we listen and keep things.

    ``database``: SQLite's file, or PostgreSQL without a password, which is the first line of
    ``database_password_file``. ``templates``: folders of the operator's own templates, with
    profiles in ``profiles/`` of each; the first one that has a name wins, what ships comes last.
    """

    interfaces: Annotated[
        str | tuple[InterfaceName, ...],  # a plain str, as Checked says; _checked looks at it
        Meta(description='an interface name or a list of them such as ["eth0", "eth1"]'),
    ] = ()
    data_dir: Folder = "/var/lib/netboot"
    database: Database | None = None
    database_password_file: Folder | None = None
    templates: Annotated[
        tuple[TemplatesFolder, ...],
        Meta(max_length=16, description='a list of at most 16 folders: ["/etc/netboot/templates"]'),
    ] = ()


class Http(Checked, frozen=True):
    """The boot plane's HTTP. ``advertise``: the IPv4 address machines are told, for NAT."""

    port: Port = 8080
    advertise: str | None = None


class Dhcp(Checked, frozen=True):
    """``unknown``: what a machine nobody registered gets: ignore, local, menu or a profile."""

    unknown: Name = "ignore"


class Tftp(Checked, frozen=True):
    """RFC 1350 says port 69, and firmware knows no other.

    ``windowsize``: blocks a client may ask for at once (RFC 7440); a larger burst overruns the
    receive ring of some ROMs. ``single_port``: answer from port 69 itself, for NAT in between.
    """

    port: Port = 69
    windowsize: WindowSize = 16
    single_port: bool = False


class Syslog(Checked, frozen=True):
    """``listen``: hear installers' own logs (UDP), and tell them to log here."""

    listen: bool = True
    port: Port = 514


class Api(Checked, frozen=True):
    """The control plane; loopback unless told otherwise.

    ``certificate`` and ``key``: PEM files. ``tls``: "self" makes a certificate that signs itself,
    "off" lets tokens cross the network in clear. ``hosts``: names people reach it by, besides its
    address. ``metrics``: who may read them: everybody ("open"), or who has a token ("token").
    """

    listen: Listen = "127.0.0.1:8443"
    certificate: File | None = None
    key: File | None = None
    tls: Literal["self", "off"] | None = None
    hosts: Annotated[
        tuple[HostName, ...],
        Meta(max_length=64, description='a list of at most 64 names: ["netboot.example"]'),
    ] = ()
    metrics: Literal["open", "token"] = "open"


class RedfishFacade(Checked, frozen=True):
    """A Redfish service for machines whose boot order nothing but our answers can change.

    ``listen``: where; it is not served without. ``label``: of the nodes it is for. ``users``: who
    may, each with where the password is: ``file:/PATH``, ``env:NAME`` or ``command:LINE``.
    ``certificate`` and ``key``: PEM files; one that signs itself is made where there are none.
    """

    listen: Listen | None = None
    label: Annotated[
        str,
        Meta(
            pattern=r"^[^=\s]{1,63}=[^\s]{1,63}\Z",
            description='a label with its value such as "redfish=facade"',
        ),
    ] = "redfish=facade"
    certificate: Folder | None = None
    key: Folder | None = None
    users: dict[FacadeUser, str] = field(default_factory=dict)

    @property
    def members(self) -> tuple[str, str] | None:
        """The label of the nodes that obey it; None where it is not served."""
        if self.listen is None:
            return None
        key, _, value = self.label.partition("=")
        return key, value


class PowerCommands(Checked, frozen=True):
    """Command lines that switch a machine whose address is ``command:`` and their name.

    No shell reads them; ``{node}`` and ``{mac}`` in a word are the machine's. ``status`` prints
    ``on`` or ``off``; without it nobody can tell. ``cycle`` is off and on where it is not given.
    """

    on: CommandLine
    off: CommandLine
    cycle: CommandLine | None = None
    status: CommandLine | None = None


class Jobs(Checked, frozen=True):
    """Jobs, which take their turns at machines.

    ``power_on_per_minute``: machines started within a minute. ``power_on_at_once``: machines
    between power-on and their first DISCOVER. ``at_once``: turns at a time. ``lease_seconds``:
    after which another replica takes over a job whose turn has not ended; a turn is shorter.
    """

    power_on_per_minute: Count = 60
    power_on_at_once: Count = 40
    at_once: Threads = 32
    lease_seconds: Lease = 120


class VirtualMedia(Checked, frozen=True):
    """Where BMCs that read no HTTP find the same files: the URL of a share, without a password.

    In the share, ``images`` is the folder of images, and ``media`` has machines' own CDs.
    """

    nfs: NfsUrl | None = None
    cifs: CifsUrl | None = None


class Debian(Checked, frozen=True):
    """``mirror``: a Debian mirror's URL; the host's own apt setting where none is given.

    ``proxy``: the HTTP proxy it is reached by, for example a caching one in the lab.
    """

    mirror: Url | None = None
    proxy: ProxyUrl | None = None


class Settings(Checked, frozen=True):
    """The whole configuration, validated."""

    server: Server = Server()
    http: Http = Http()
    dhcp: Dhcp = Dhcp()
    tftp: Tftp = Tftp()
    syslog: Syslog = Syslog()
    api: Api = Api()
    jobs: Jobs = Jobs()
    debian: Debian = Debian()
    virtual_media: VirtualMedia = VirtualMedia()
    redfish_facade: RedfishFacade = RedfishFacade()
    power_commands: dict[Name, PowerCommands] = field(default_factory=dict)

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces to serve; empty means look round and choose."""
        given = self.server.interfaces
        return (given,) if isinstance(given, str) else given

    @property
    def templates(self) -> tuple[Path, ...]:
        """Folders of the operator's own templates and profiles, the first one first."""
        return tuple(map(Path, self.server.templates))

    @property
    def data_dir(self) -> Path:
        """Folder of everything we keep."""
        return Path(self.server.data_dir)

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.server.database or f"sqlite:///{self.data_dir.absolute() / 'netboot.db'}"

    @property
    def database_password_file(self) -> Path | None:
        """The file whose first line is PostgreSQL's password."""
        given = self.server.database_password_file
        return None if given is None else Path(given)

    @property
    def images_dir(self) -> Path:
        """Folder of fetched images, one folder each."""
        return self.data_dir / "images"

    @property
    def run_dir(self) -> Path:
        """Folder of sockets, locks and the boot program's own files."""
        return self.data_dir / "run"


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration.

    Args:
        path: the file; without one ``NETBOOT_CONFIG`` names it, else ``DEFAULT_PATH`` is read
            where it exists and built-in defaults hold where it does not.
        environ: the environment.

    Raises:
        ConfigError: the file or a variable is wrong.
    """
    named = path or (Path(environ["NETBOOT_CONFIG"]) if environ.get("NETBOOT_CONFIG") else None)
    if named is None and DEFAULT_PATH.exists():
        named = DEFAULT_PATH
    raw = read_toml(named) if named else {}
    settings = _checked(raw, str(named) if named else "built-in defaults")
    if overrides := from_environment(environ, Settings(), _checked):
        settings = convert(_merged(raw, overrides), Settings, "environment")
    return settings


def _checked(raw: object, source: str) -> Settings:
    settings = convert(raw, Settings, source)
    if isinstance(settings.server.interfaces, str):
        convert(settings.server.interfaces, InterfaceName, source, "server.interfaces")
    _check_database(settings.server, source)
    _check_addresses(settings, source)
    return settings


def _merged(raw: dict[str, Any], overrides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return raw | {section: raw.get(section, {}) | keys for section, keys in overrides.items()}


def _check_database(server: Server, source: str) -> None:
    url = server.database or ""
    if not url.startswith("postgres"):
        return
    if _says_password(url):
        problem = (
            "has a password in it, where whoever reads the settings sees it;"
            " name the file it stands in as server.database_password_file"
        )
        raise ConfigError(source, "server.database", problem)
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(source, "server.database", "must begin with postgresql:// or sqlite:///")


def _says_password(url: str) -> bool:
    """Whether libpq would find a password in a URL, or a person meant one in a wrong URL."""
    rest = url.partition("://")[2]
    keys = (part.partition("=")[0].lower() for part in rest.partition("?")[2].split("&"))
    return ":" in rest.rpartition("@")[0] or not {"password", "sslpassword"}.isdisjoint(keys)


def _check_addresses(settings: Settings, source: str) -> None:
    if settings.http.advertise is not None:
        try:
            ipaddress.IPv4Address(settings.http.advertise)
        except ValueError:
            given = shown(settings.http.advertise)
            problem = f"= {given}: must be an IPv4 address; IPv6 is not served yet"
            raise ConfigError(source, "http.advertise", problem) from None
    for name, commands in settings.power_commands.items():
        for key in commands.__struct_fields__:
            _check_words(getattr(commands, key), source, f"power_commands.{name}.{key}")
    facade = settings.redfish_facade
    for key, listen in (("api", settings.api.listen), ("redfish_facade", facade.listen)):
        if listen is not None and not 1 <= int(listen.rpartition(":")[2]) <= 65535:  # noqa: PLR2004 -- the range of a port
            problem = f"= {shown(listen)}: must end in a port from 1 to 65535"
            raise ConfigError(source, f"{key}.listen", problem)
    if (facade.certificate is None) != (facade.key is None):
        problem = "and redfish_facade.key go together: name both or neither"
        raise ConfigError(source, "redfish_facade.certificate", problem)


def _check_words(line: str | None, source: str, key: str) -> None:
    try:
        shlex.split(line or "")
    except ValueError:
        problem = f"= {shown(line)}: must be a command line whose quotes are closed"
        raise ConfigError(source, key, problem) from None
