"""Settings: what may stand in ``netboot.toml`` and the environment, and what each mistake says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot import config
from netboot.config import Settings, load
from netboot.errors import ConfigError


def load_text(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Settings:
    file = folder / "netboot.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file, environ or {})


def test_every_key_is_optional(tmp_path: Path) -> None:
    assert load_text(tmp_path, "") == Settings()


def test_a_whole_file(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path,
        """
        [server]
        interfaces = ["eth0", "br0.7"]
        data_dir   = "/srv/boot"
        database   = "sqlite:////srv/db/boot.db"
        templates  = ["/srv/own", "/srv/shared"]
        [http]
        port = 80
        advertise = "192.0.2.1"
        [dhcp]
        unknown = "menu"
        [tftp]
        port = 6969
        [api]
        listen = "[::1]:9000"
        [debian]
        mirror = "http://mirror.example/debian"
        """,
    )
    assert settings.interfaces == ("eth0", "br0.7")
    assert settings.database == "sqlite:////srv/db/boot.db"
    assert settings.run_dir == Path("/srv/boot/run")
    assert settings.templates == (Path("/srv/own"), Path("/srv/shared"))
    assert (settings.http.port, settings.http.advertise) == (80, "192.0.2.1")
    assert (settings.dhcp.unknown, settings.api.listen) == ("menu", "[::1]:9000")


def test_one_interface_may_be_a_string(tmp_path: Path) -> None:
    assert load_text(tmp_path, '[server]\ninterfaces = "eth0"').interfaces == ("eth0",)


def test_the_database_lies_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    settings = load_text(tmp_path, '[server]\ndata_dir = "/srv/boot"')
    assert settings.database == "sqlite:////srv/boot/netboot.db"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://netboot:5ecret@db.example/netboot",
        "postgresql://netboot:5e/c@ret@db.example/netboot",
        "postgresql://netboot@db.example/netboot?password=5ecret",
        "postgresql://db.example/netboot?sslmode=verify-full&PassWord=5ecret",
        "postgresql+psycopg://netboot:5ecret@db.example/netboot",
        "postgres:netboot:5ecret@db.example",
    ],
)
def test_a_password_in_the_database_s_url_is_refused_and_not_repeated(
    tmp_path: Path, url: str
) -> None:
    said = complaint(lambda: load_text(tmp_path, f'[server]\ndatabase = "{url}"'))
    assert "server.database: " in said
    assert "5e" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://netboot@db.example/netboot",
        "postgresql://netboot@[2001:db8::1]:5433/netboot?sslmode=verify-full",
        "postgresql://netboot@/netboot?host=/run/postgresql",
        "postgres://netboot@db1,db2/netboot?target_session_attrs=read-write",
    ],
)
def test_a_database_may_be_postgresql(tmp_path: Path, url: str) -> None:
    text = f'[server]\ndatabase = "{url}"\ndatabase_password_file = "/run/secrets/database"'
    settings = load_text(tmp_path, text)
    assert settings.database == url
    assert settings.database_password_file == Path("/run/secrets/database")


def complaint(call: Callable[[], object]) -> str:
    """What a call refuses its input with, "" where it takes it."""
    try:
        call()
    except ConfigError as error:
        return str(error)
    return ""


PORT = "must be an integer from 1 to 65535"
INTERFACE = "must be an interface name of 1 to 15 characters such as eth0"
MISTAKES = {
    # the file's text -> the line after the file's name
    '[http]\nport = "x"': f'http.port = "x": {PORT}',
    "[http]\nport = 0": f"http.port = 0: {PORT}",
    "[http]\nport = 65536": f"http.port = 65536: {PORT}",
    "[http]\nport = true": f"http.port = true: {PORT}",
    "[http]\nport = 80.0": f"http.port = 80.0: {PORT}",
    "[http]\nport = [1, 2]": f"http.port = a list of 2: {PORT}",
    "[jobs]\nat_once = 0": "jobs.at_once = 0: must be an integer from 1 to 256",
    "[jobs]\npower_on_at_once = 0": (
        "jobs.power_on_at_once = 0: must be an integer from 1 to 10000"
    ),
    "[jobs]\nlease_seconds = 1": "jobs.lease_seconds = 1: must be an integer from 60 to 3600",
    "[tftp]\nport = 0x" + "f" * 5000: f"tftp.port = an integer of 20000 bits: {PORT}",
    '[http]\nadvertise = "boot.example"': (
        'http.advertise = "boot.example": must be an IPv4 address; IPv6 is not served yet'
    ),
    '[server]\ninterfaces = ["eth0", 3]': f"server.interfaces[1] = 3: {INTERFACE}",
    '[server]\ninterfaces = ["eth0", ""]': f'server.interfaces[1] = "": {INTERFACE}',
    '[server]\ninterfaces = "a-very-long-name"': (
        f'server.interfaces = "a-very-long-name": {INTERFACE}'
    ),
    '[server]\ntemplates = ["/a", "b"]': (
        'server.templates[1] = "b": must be an absolute path such as /etc/netboot/templates'
    ),
    '[server]\ntemplates = "/a"': (
        'server.templates = "/a": must be a list of at most 16 folders: ["/etc/netboot/templates"]'
    ),
    "[server]\ninterfaces = 3": (
        "server.interfaces = 3: must be an interface name or a list of them "
        'such as ["eth0", "eth1"]'
    ),
    "[server]\ndata_dir = 2024-01-01": (
        "server.data_dir = 2024-01-01: must be a folder such as /var/lib/netboot"
    ),
    '[server]\ndatabase = "mysql://db/netboot"': (
        'server.database = "mysql://db/netboot": must be a URL such as '
        "sqlite:////var/lib/netboot/netboot.db or postgresql://netboot@db.example/netboot"
    ),
    '[server]\ndatabase = "postgresql+psycopg://db/netboot"': (
        "server.database: must begin with postgresql:// or sqlite:///"
    ),
    '[dhcp]\nunknown = "Menu!"': (
        'dhcp.unknown = "Menu!": must be ignore, local, menu or a profile\'s name '
        "(lower-case letters, digits, . and -)"
    ),
    '[dhcp]\nunknown = "menu\\n"': (
        'dhcp.unknown = "menu\\n": must be ignore, local, menu or a profile\'s name '
        "(lower-case letters, digits, . and -)"
    ),
    '[api]\nlisten = "8443"': (
        'api.listen = "8443": must be an address and a port such as 127.0.0.1:8443'
    ),
    '[api]\nlisten = "127.0.0.1:99999"': (
        'api.listen = "127.0.0.1:99999": must end in a port from 1 to 65535'
    ),
    '[debian]\nmirror = "ftp://mirror.example"': (
        'debian.mirror = "ftp://mirror.example": must be a URL that starts with http:// or https://'
    ),
    "http = 3": "http = 3: must be a table with the keys port, advertise",
    "[htpp]": (
        "htpp: is no known key; allowed here: server, http, dhcp, tftp, syslog, api, jobs, debian, "
        "virtual_media, redfish_facade, power_commands"
    ),
    '[power_commands.a]\non = "a\'"\noff = "b"': (
        'power_commands.a.on = "a\'": must be a command line whose quotes are closed'
    ),
    "[http]\nprt = 1": "http.prt: is no known key; allowed here: port, advertise",
    '[http]\n"a\\u001b\\nb" = 1': (
        'http."a\\x1b\\nb": is no known key; allowed here: port, advertise'
    ),
    "port = ": "is not TOML: Invalid value (at end of document)",
    "x = " + "[" * 5000: "is nested too deep",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:40].replace("\n", " "))
def test_a_mistake_is_one_line_with_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'netboot.toml'}: {MISTAKES[text]}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"away\.toml: cannot be read: No such file"):
        load(tmp_path / "away.toml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    with pytest.raises(ConfigError, match="is no file name"):
        load(Path("a\0b"), {})


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 4\)"):
        load_text(tmp_path, b'x="a\xff"')


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="is larger than 16 MiB"):
        load(Path("/dev/zero"), {})


class TestEnvironment:
    def test_a_variable_wins_over_the_file(self, tmp_path: Path) -> None:
        environ = {
            "NETBOOT_HTTP_PORT": "81",
            "NETBOOT_SERVER_INTERFACES": "eth0, eth1",
            "NETBOOT_SERVER_TEMPLATES": "/a:/b, c",
        }
        settings = load_text(tmp_path, "[http]\nport = 80\n[tftp]\nport = 70", environ)
        assert (settings.http.port, settings.tftp.port) == (81, 70)
        assert settings.interfaces == ("eth0", "eth1")
        assert settings.templates == (Path("/a"), Path("/b, c"))

    def test_netboot_config_names_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "other.toml"
        file.write_text("[http]\nport = 81")
        assert load(None, {"NETBOOT_CONFIG": str(file)}).http.port == 81

    def test_without_any_file_defaults_hold(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "none.toml")
        assert load(None, {}) == Settings()

    @pytest.mark.parametrize(
        ("variable", "value", "problem"),
        [
            ("NETBOOT_HTTP_PORT", "x", f' = "x": {PORT}'),
            ("NETBOOT_HTTP_PORT", "9" * 5000, f' = "{"9" * 60}…": {PORT}'),
            ("NETBOOT_HTTP_ADVERTISE", "::1", ' = "::1": must be an IPv4 address; IPv6 is not'),
            ("NETBOOT_API_LISTEN", "a:0", ' = "a:0": must end in a port from 1 to 65535'),
            (
                "NETBOOT_HTPP_PORT",
                "80",
                ": is no known setting; allowed: NETBOOT_SERVER_INTERFACES",
            ),
            ("NETBOOT_DHCP_UNKNOWN", "\udc80", ' = "\\udc80": must be ignore, local, menu'),
        ],
    )
    def test_a_mistake_names_the_variable(
        self, tmp_path: Path, variable: str, value: str, problem: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, "", {variable: value})
        assert str(caught.value).startswith(f"environment: {variable}{problem}")


SECTIONS = ["server", "http", "dhcp", "tftp", "api", "debian", "htpp"]
KEYS = [
    "interfaces",
    "data_dir",
    "database",
    "templates",
    "port",
    "advertise",
    "unknown",
    "listen",
    "mirror",
]


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_but_load_or_raise_config_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert complaint(lambda: load_text(folder, noise)).isprintable()


@given(
    st.dictionaries(
        st.sampled_from([f"NETBOOT_{s.upper()}_{k.upper()}" for s in SECTIONS for k in KEYS]),
        st.text(st.characters(exclude_characters="\0"), max_size=20),
        max_size=3,
    )
)
def test_no_environment_does_anything_but_load_or_raise_config_error(
    environ: dict[str, str],
) -> None:
    assert complaint(lambda: load(None, environ)).isprintable()
