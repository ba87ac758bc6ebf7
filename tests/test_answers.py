"""Answer files of every kind: rendered or byte for byte, and read by what their installers use."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from netboot.answer.answers import ANSWER_FILES, SECRET_FILES, render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import MAX_VERBATIM, Templates
from netboot.errors import NotBootable, NotServed
from netboot.model import Answer, AnswerKind, Mac, Node, Profile, Server
from netboot.stages import installer

MAC = Mac("52:54:00:00:00:01")
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
TOKEN_URL = f"{SERVER.url}/node/TOKEN"
MIRROR = "http://mirror.example/debian"
PROFILES = load_profiles()
HASH = "$6$saltsaltsalt$" + "h" * 86
KEY = "ssh-ed25519 AAAAC3Nz anna's key"
KEYS = f'{KEY}\n\nssh-rsa AAAAB3Nz $(reboot) `reboot` "x"\n'
HOSTILE = ['"', "'", "\\", "a: b", "- x", "#", "{}", "${x}", "$(reboot)", "%end", "é", "&amp;"]


def answer(profile: Profile, name: str, folder: Path | None = None, **variables: str) -> bytes:
    node = Node("n1", (MAC,), profile.name, {}, variables)
    templates = Templates([folder] if folder else [])
    return render_answer(
        name, node, profile, SERVER, MIRROR, mac=MAC, token_url=TOKEN_URL, templates=templates
    )


def own(kind: AnswerKind, template: str) -> Profile:
    return Profile("own", "ipxe/linux.ipxe", answer=Answer(kind, template))


# --- what is served


@pytest.mark.parametrize("kind", AnswerKind)
def test_every_kind_has_its_files_and_the_answer_itself_is_a_secret(
    kind: AnswerKind, tmp_path: Path
) -> None:
    (tmp_path / "own.j2").write_text("{{ node.name }}")
    profile = own(kind, "own.j2")
    first, *others = ANSWER_FILES[kind]
    assert answer(profile, first, tmp_path) == b"n1"
    assert SECRET_FILES & {first, *others} == {first}
    for name in others:
        answer(profile, name, tmp_path)


@pytest.mark.parametrize("name", ["preseed.cfg", "", "own.j2", "../ks.cfg", "KS.CFG"])
def test_no_other_name_is_served(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.j2").write_text("x")
    with pytest.raises(NotServed, match=r"^profile own has no "):
        answer(own(AnswerKind.KICKSTART, "own.j2"), name, tmp_path)
    with pytest.raises(NotServed, match=r"^profile local has no "):
        answer(PROFILES["local"], name)


def test_cloud_init_gets_every_file_it_asks_for() -> None:
    """It asks ten times, a second apart, for one that is not there."""
    profile = PROFILES["ubuntu-24.04"]
    assert answer(profile, "meta-data") == b'instance-id: "n1"\nlocal-hostname: "n1"\n'
    assert answer(profile, "vendor-data") == answer(profile, "network-config") == b""


# --- byte for byte


def test_a_users_own_file_is_served_as_it_is(tmp_path: Path) -> None:
    content = bytes(range(256)) + b"{{ node.name }} {% raw %}\r\n"
    (tmp_path / "own.cfg").write_bytes(content)
    assert answer(own(AnswerKind.PRESEED, "own.cfg"), "preseed.cfg", tmp_path) == content


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("away.cfg", "templates/away.cfg: node n1: there is no template 'away.cfg'"),
        ("../secret", "templates/../secret: node n1: there is no template"),
        ("large.cfg", f"templates/large.cfg: node n1: is longer than {MAX_VERBATIM} bytes"),
        ("away.j2", "templates/away.j2: node n1: there is no template 'away.j2'"),
    ],
)
def test_a_file_that_cannot_be_served_is_told(tmp_path: Path, template: str, told: str) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "large.cfg").write_bytes(bytes(MAX_VERBATIM + 1))
    with pytest.raises(NotBootable) as caught:
        answer(own(AnswerKind.PRESEED, template), "preseed.cfg", folder)
    assert str(caught.value).startswith(told)


def test_only_a_template_that_uses_the_mirror_needs_one(tmp_path: Path) -> None:
    (tmp_path / "without.j2").write_text("x")
    (tmp_path / "with.j2").write_text("\n{{ mirror.host }}")
    node = Node("n1", (MAC,))
    for name in ("without", "with"):
        profile = own(AnswerKind.PRESEED, f"{name}.j2")
        arguments = ("preseed.cfg", node, profile, SERVER, None)
        if name == "without":
            assert render_answer(*arguments, templates=Templates([tmp_path])) == b"x"
            continue
        with pytest.raises(NotBootable) as caught:
            render_answer(*arguments, templates=Templates([tmp_path]))
        told = f"{tmp_path}/with.j2 line 2: node n1: no Debian mirror is known: set [debian] mirror"
        assert str(caught.value).startswith(told)


# --- values stay values


@pytest.mark.parametrize("suffix", ["yaml", "json", "ign"])
def test_a_value_in_yaml_or_json_brings_its_quotes_or_needs_none(
    tmp_path: Path, suffix: str
) -> None:
    profile = own(AnswerKind.IGNITION, f"own.{suffix}.j2")
    file = tmp_path / f"own.{suffix}.j2"
    file.write_text('{"a": {{ vars.a | tojson }}}')
    for value in (*HOSTILE, "two\nlines", "plain"):
        text = answer(profile, "config.ign", tmp_path, a=value)
        assert json.loads(text) == yaml.safe_load(text) == {"a": value}
    file.write_text('{"a": "{{ vars.a }}"}')
    assert answer(profile, "config.ign", tmp_path, a="/dev/sda") == b'{"a": "/dev/sda"}'
    for value in HOSTILE:
        if value != "%end":
            with pytest.raises(NotBootable, match=r"line 1: node n1: a value has a char.*tojson"):
                answer(profile, "config.ign", tmp_path, a=value)


# --- Ubuntu


def autoinstall(**variables: str) -> dict[str, Any]:
    text = answer(PROFILES["ubuntu-24.04"], "user-data", **variables)
    assert text.startswith(b"#cloud-config\n")
    (told,) = yaml.safe_load(text).items()
    assert told[0] == "autoinstall"
    return dict(told[1])


def test_ubuntu_with_nothing_set_lets_nobody_in_and_takes_the_largest_disk() -> None:
    told = autoinstall()
    assert told["version"] == 1
    assert told["identity"] == {
        "hostname": "n1",
        "realname": "ubuntu",
        "username": "ubuntu",
        "password": "!",
    }
    assert told["ssh"] == {"install-server": True, "allow-pw": False, "authorized-keys": []}
    assert told["storage"]["layout"] == {"name": "lvm", "match": {"size": "largest"}}
    (home,) = told["late-commands"]
    assert home[-1] == f"{TOKEN_URL}/installed"


def test_ubuntu_as_a_lab_wants_it() -> None:
    told = autoinstall(
        user="anna",
        ssh_authorized_keys=KEYS,
        packages="vim git",
        disk="/dev/disk/by-id/nvme-x",
        storage="direct",
        late_command='echo "it\'s" # done',
        hostname="web1",
    )
    assert told["identity"]["username"] == "anna"
    assert told["ssh"]["authorized-keys"] == [KEY, 'ssh-rsa AAAAB3Nz $(reboot) `reboot` "x"']
    assert told["packages"] == ["vim", "git"]
    assert told["storage"]["layout"]["match"] == {"path": "/dev/disk/by-id/nvme-x"}
    sudo, late, home = told["late-commands"]
    assert sudo[-1] == "anna"
    assert late[2].startswith('(echo "it\'s" # done\n); ')
    assert home[-1] == f"{TOKEN_URL}/installed"


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_changes_the_shape_of_ubuntus_answers(value: str) -> None:
    told = autoinstall(user_fullname=value, ssh_authorized_keys=value, packages=value, user="anna")
    assert told["identity"]["realname"] == value
    assert told["ssh"]["authorized-keys"] == [value]
    assert told["packages"] == value.split()


@pytest.mark.parametrize("value", [*HOSTILE, "under_score", "-n1", ""])
@pytest.mark.parametrize("name", ["user-data", "meta-data", "ks.cfg"])
def test_what_is_no_host_name_becomes_none(name: str, value: str) -> None:
    profile, more = PROFILES["ubuntu-24.04"], {}
    if name == "ks.cfg":
        profile, more = PROFILES["fedora"], {"tree": "http://192.0.2.9/tree"}
    with pytest.raises(NotBootable, match="a host name is letters, digits, inner - and dots"):
        answer(profile, name, hostname=value, **more)


# --- Fedora


def kickstart(**variables: str) -> str:
    told = answer(PROFILES["fedora"], "ks.cfg", tree="http://192.0.2.9/tree", **variables)
    return told.decode()


FEDORA: dict[str, dict[str, str]] = {
    "nothing": {},
    "user": {"user": "anna", "user_fullname": "Anna: 'M'", "ssh_authorized_keys": KEYS},
    "all": {
        "user": "anna",
        "user_password_crypted": HASH,
        "root_password_crypted": HASH,
        "disk": "/dev/nvme0n1",
        "packages": "vim-enhanced @virtualization",
        "late_command": 'echo "it\'s" # done',
    },
}


@pytest.mark.parametrize("case", FEDORA)
def test_anacondas_own_parser_takes_it(case: str) -> None:
    parser = pytest.importorskip("pykickstart.parser", reason="pykickstart is not installed")
    version = pytest.importorskip("pykickstart.version")
    handler = version.makeVersion("F41")
    read = parser.KickstartParser(handler, missingIncludeIsFatal=False)
    read.readKickstartFromString(kickstart(**FEDORA[case]))
    assert handler.url.url == "http://192.0.2.9/tree"
    assert handler.network.network[0].hostname == "n1"
    assert handler.rootpw.lock is ("root_password_crypted" not in FEDORA[case])
    assert [user.name for user in handler.user.userList] == [
        name for name in [FEDORA[case].get("user")] if name
    ]


@pytest.mark.parametrize("case", FEDORA)
def test_what_fedoras_installer_runs_is_shell(case: str, tmp_path: Path) -> None:
    sections = kickstart(**FEDORA[case]).split("\n%")
    for section in sections:
        if section.startswith(("pre ", "pre-install\n", "post\n")):
            script = tmp_path / "script.sh"
            script.write_text(section.partition("\n")[2])
            subprocess.run(["sh", "-n", script], check=True)


def test_fedora_erases_one_disk_alone() -> None:
    """clearpart takes every disk that ignoredisk does not take from it."""
    text = kickstart(disk="/dev/disk/by-id/x y")
    assert text.index("%include /tmp/disk.ks") < text.index("clearpart --all")
    assert "readlink -f '/dev/disk/by-id/x y'" in text
    assert 'echo "ignoredisk --only-use=$disk" > /tmp/disk.ks' in text
    assert '$6 != "usb"' in kickstart()


def test_fedora_tells_what_the_late_command_ended_with_and_calls_home() -> None:
    *_, late, status, home, _end, _reboot = kickstart(late_command="false").splitlines()
    assert late == "sh -c false"
    assert status.endswith(f"'{TOKEN_URL}/progress?stage=late&detail=late_command&status='$?")
    assert home.endswith(f" {TOKEN_URL}/installed")


def test_fedora_tells_how_far_it_is_and_nobody_who_is_away_stops_it() -> None:
    told = [line for line in kickstart().splitlines() if line.endswith(" || :")]
    assert [line.partition("stage=")[2].partition("'")[0] for line in told] == [
        "partition",
        "packages",
        "late",
    ]
    steps = [step.word for step in installer.STEPS]
    assert {"partition", "packages", "late"} <= set(steps)


# --- rescue


def test_rescue_lets_the_keys_in_and_touches_no_disk() -> None:
    profile = PROFILES["rescue"]
    text = answer(profile, "preseed.cfg", ssh_authorized_keys=KEYS).decode()
    assert f"authorized_keys_url string {TOKEN_URL}/authorized_keys\n" in text
    assert "partman" not in text
    keys = answer(profile, "authorized_keys", ssh_authorized_keys=KEYS).decode()
    assert keys.splitlines() == [KEY, 'ssh-rsa AAAAB3Nz $(reboot) `reboot` "x"']


@pytest.mark.skipif(not shutil.which("debconf-set-selections"), reason="debconf is Debian's own")
def test_debconf_takes_the_rescue_answers(tmp_path: Path) -> None:
    file = tmp_path / "preseed.cfg"
    file.write_bytes(answer(PROFILES["rescue"], "preseed.cfg", ssh_authorized_keys=KEYS))
    checked = subprocess.run(
        ["debconf-set-selections", "--checkonly", file], capture_output=True, text=True, check=True
    )
    assert checked.stderr == ""
