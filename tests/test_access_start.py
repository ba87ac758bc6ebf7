"""Before the first request: the first token, and TLS where others can listen."""

import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netboot.cli.main import root
from netboot.control.access.certificate import certificate_of
from netboot.control.access.first import FILE, make_first_token
from netboot.control.peers import user_name
from netboot.control.tls import fingerprint
from netboot.errors import ConfigError, OperationError
from netboot.store.access_shapes import Role
from netboot.store.store import Store
from tests.access_site import settings_with
from tests.self_signed import self_signed


class TestFirstToken:
    def test_it_is_in_a_file_of_ours_alone_and_its_path_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
            make_first_token(store, tmp_path)
            secret = (tmp_path / FILE).read_text().strip()
            token = store.whose_token(secret, store.tokens()[0].created)
        assert token is not None
        assert token.role is Role.ADMIN
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
        assert str(tmp_path / FILE) in caplog.text
        assert secret not in caplog.text
        assert sorted(path.name for path in tmp_path.glob(".*")) == []

    def test_it_is_made_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
            make_first_token(store, tmp_path)
            (tmp_path / FILE).unlink()
            caplog.clear()
            make_first_token(store, tmp_path)
            assert not (tmp_path / FILE).exists()
            assert len(store.tokens()) == 1
        assert caplog.text == ""

    def test_what_was_in_its_place_is_not_written_through(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("kept")
        other.chmod(0o644)
        (tmp_path / FILE).symlink_to(other)
        with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
            make_first_token(store, tmp_path)
        assert other.read_text() == "kept"
        assert stat.S_IMODE((tmp_path / FILE).lstat().st_mode) == 0o600

    def test_where_it_cannot_be_kept_there_is_none(self, tmp_path: Path) -> None:
        with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
            with pytest.raises(OperationError, match=r"admin\.token: cannot be written"):
                make_first_token(store, tmp_path / "nowhere")
            assert store.tokens() == []


class TestCertificate:
    @pytest.mark.parametrize("listen", ["127.0.0.1:8443", "[::1]:8443", "localhost:8443"])
    def test_on_loopback_none_is_needed(self, tmp_path: Path, listen: str) -> None:
        assert certificate_of(settings_with(tmp_path, listen=listen)) is None

    @pytest.mark.parametrize("listen", ["0.0.0.0:8443", "[::]:8443", "192.0.2.1:80", "nb.lab:80"])
    def test_elsewhere_something_must_be_said(self, tmp_path: Path, listen: str) -> None:
        with pytest.raises(ConfigError) as caught:
            certificate_of(settings_with(tmp_path, listen=listen))
        said = str(caught.value)
        assert said.startswith(f'configuration: api.listen = "{listen}": ')
        for line in ('tls = "self"', 'certificate = "FILE" and key = "FILE"', 'tls = "off"'):
            assert line in said
        assert certificate_of(settings_with(tmp_path, listen=listen, tls="off")) is None

    def test_one_that_signs_itself_is_made_once_and_for_us_alone(self, tmp_path: Path) -> None:
        settings = settings_with(
            tmp_path, listen="192.0.2.1:8443", tls="self", hosts=["nb.example"]
        )
        made = certificate_of(settings)
        assert made == (tmp_path / "api.pem", tmp_path / "api.pem")
        assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
        before = fingerprint(made.certificate)
        again = certificate_of(settings)
        assert again is not None
        assert fingerprint(again.certificate) == before

    def test_the_operator_s_own_is_used(self, tmp_path: Path) -> None:
        _, pem, _ = self_signed(tmp_path)
        key = tmp_path / "bmc.key"
        settings = settings_with(tmp_path, listen="0.0.0.0:1", certificate=str(pem), key=str(key))
        assert certificate_of(settings) == (pem, key)

    @pytest.mark.parametrize(
        ("api", "said"),
        [
            ({"certificate": "/x"}, r"api\.certificate: and api\.key go together"),
            ({"key": "/x"}, r"api\.certificate: and api\.key go together"),
            ({"certificate": "/x", "key": "/x", "tls": "self"}, r'api\.tls = "self": api\.cert'),
            ({"certificate": "/x", "key": "/x", "tls": "off"}, r'api\.tls = "off": api\.cert'),
            ({"certificate": "/x", "key": "/y"}, r'api\.certificate = "/x": cannot be used'),
        ],
    )
    def test_a_mistake_is_said(self, tmp_path: Path, api: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            certificate_of(settings_with(tmp_path, **api))


class TestCommands:
    """Without a server: the store is opened by the command itself."""

    @pytest.fixture
    def netboot(self, tmp_path: Path) -> Any:
        file = tmp_path / "netboot.toml"
        file.write_text(
            f'[server]\ndata_dir = "{tmp_path}/data"\n'
            '[power_commands.strip]\non = "true"\noff = "true"\n'
        )

        def run(*words: str) -> Any:
            return CliRunner().invoke(root, ["--config", str(file), *words])

        return run

    def test_a_token_is_printed_once(self, netboot: Any, tmp_path: Path) -> None:
        secret = netboot("token", "add", "ci", "--role", "operate").output.strip()
        with Store(f"sqlite:///{tmp_path}/data/netboot.db") as store:
            token = store.whose_token(secret, store.tokens()[0].created)
        assert token is not None
        assert (token.name, token.role, token.expires) == ("ci", Role.OPERATE, None)
        for words in (["token", "list"], ["token", "list", "--json"], ["audit", "--json"]):
            shown = netboot(*words).output
            assert "ci" in shown
            assert secret not in shown

    def test_a_token_may_expire(self, netboot: Any) -> None:
        netboot("token", "add", "ci", "--role", "read", "--expires", "30")
        columns = netboot("token", "list").output.splitlines()[1].split()
        assert columns[:2] == ["ci", "read"]
        assert columns[-1] != "never"

    def test_a_token_is_removed(self, netboot: Any) -> None:
        netboot("token", "add", "ci", "--role", "read")
        assert netboot("token", "remove", "ci").output == "token ci removed\n"
        assert netboot("token", "list").output.splitlines()[1:] == []
        assert "no token is called" in str(netboot("token", "remove", "ci").exception)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["a b", "--role", "read"], 'name = "a b": must be a name of 1 to 63 letters'),
            (["x", "--role", "read", "--expires", "0"], "expires_days = 0: must be a number of"),
        ],
    )
    def test_a_mistake_is_said(self, netboot: Any, words: list[str], said: str) -> None:
        error = netboot("token", "add", *words).exception
        assert isinstance(error, ConfigError)
        assert said in str(error)

    def test_every_write_is_in_the_audit_log_with_the_user_s_name(
        self, netboot: Any, tmp_path: Path
    ) -> None:
        nodes = tmp_path / "nodes.yaml"
        nodes.write_text('- name: n2\n  macs: ["52:54:00:00:00:02"]\n  profile: local\n')
        netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "local")
        netboot("node", "set", "n1", "--set", "root_password_crypted=$6$verysecret")
        netboot("node", "set", "n9", "--set", "a=b")
        netboot("node", "import", str(nodes))
        netboot("group", "set", "web", "--label", "a=b")
        netboot("group", "remove", "web")
        netboot("node", "set", "n1", "--bmc", "command:strip")
        netboot("node", "power", "n1", "on")
        netboot("node", "power", "n1", "status")
        netboot("node", "remove", "n1")
        netboot("node", "list")
        lines = netboot("audit", "-n", "99").output.splitlines()[1:]
        found = [line.split(maxsplit=2)[2].split() for line in reversed(lines)]
        who = [user_name(), "command", "line"]
        assert found == [
            [*who, "POST", "/api/v1/nodes", "n1", "201"],
            [*who, "PATCH", "/api/v1/nodes/{name}", "n1", "200"],
            [*who, "PATCH", "/api/v1/nodes/{name}", "n9", "404"],
            [*who, "POST", "/api/v1/nodes:import", "n2", "200"],
            [*who, "PATCH", "/api/v1/groups/{name}", "web", "200"],
            [*who, "DELETE", "/api/v1/groups/{name}", "web", "204"],
            [*who, "PATCH", "/api/v1/nodes/{name}", "n1", "200"],
            [*who, "POST", "/api/v1/nodes/{name}/power", "n1", "200"],
            [*who, "DELETE", "/api/v1/nodes/{name}", "n1", "204"],
        ]
        assert "verysecret" not in netboot("audit", "--json").output
