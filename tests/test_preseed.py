"""The installer's answer file: golden files, debconf as oracle, its shell commands really run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from netboot.answer.preseed import render_preseed
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.errors import NotBootable
from netboot.model import Mac, Node, Server

GOLDEN = Path(__file__).parent / "golden" / "preseed"
MAC = Mac("52:54:00:00:00:01")
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
MIRROR = "http://mirror.example/debian"
PROFILES = load_profiles()
HASH = "$6$saltsaltsalt$" + "h" * 86
KEYS = 'ssh-ed25519 AAAAC3Nz anna\'s key\n\nssh-rsa AAAAB3Nz $(reboot) `reboot` "x"\n'


def preseed(mirror: str = MIRROR, **variables: str) -> str:
    node = Node("n1", (MAC,), "debian-12", {}, variables)
    return render_preseed(node, PROFILES["debian-12"], SERVER, mirror)


CASES = {
    "nothing.cfg": {},
    "user.cfg": {
        "user": "anna",
        "ssh_authorized_keys": KEYS,
        "packages": "vim git",
        "late_command": "in-target systemctl enable ssh",
    },
    "root.cfg": {
        "root_password_crypted": HASH,
        "disk": "/dev/disk/by-id/nvme-x",
        "partition_method": "lvm",
        "boot_order": "network",
        "timezone": "Europe/Zurich",
        "ntp_server": "ntp.example",
        "proxy": "http://proxy.example:3128",
        "security_host": "mirror.example",
        "tasks": "standard, ssh-server",
    },
    "user-password.cfg": {
        "user": "anna",
        "user_fullname": "Anna Muster",
        "user_password_crypted": HASH,
        "root_password_crypted": HASH,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_this_answer_file(name: str) -> None:
    assert preseed(**CASES[name]) == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_debconf_takes_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(preseed(**CASES[name]))
    checked = subprocess.run(
        ["debconf-set-selections", "--checkonly", file], capture_output=True, text=True, check=True
    )
    assert checked.stderr == ""


@pytest.mark.parametrize("name", CASES)
def test_every_question_is_answered_once(name: str) -> None:
    lines = preseed(**CASES[name]).replace("\\\n", "").splitlines()
    asked = [line.split()[1] for line in lines if line and not line.startswith("#")]
    assert len(asked) == len(set(asked))


def command(text: str, question: str) -> str:
    """A shell command as the installer would run it: the one line behind its question."""
    return re.search(rf"^d-i {question} string (.*)$", text.replace("\\\n", ""), re.MULTILINE)[1]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("question", ["partman/early_command", "preseed/late_command"])
def test_its_commands_are_shell(name: str, question: str) -> None:
    text = command(preseed(**CASES[name]), question)
    checked = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


# --- who can log in


def test_nobody_can_log_in_unless_somebody_may_and_the_machine_says_so() -> None:
    text = preseed()
    assert "# WARNING: nobody can log in." in text
    assert "d-i passwd/root-password-crypted password !\n" in text
    assert "/target/etc/issue" in text


@pytest.mark.parametrize(
    "variables",
    [{"root_password_crypted": HASH}, {"ssh_authorized_keys": "ssh-rsa AAAA"}],
)
def test_no_warning_where_somebody_can(variables: dict[str, str]) -> None:
    assert "WARNING" not in preseed(**variables)
    assert "/target/etc/issue" not in preseed(**variables)


def test_a_user_without_any_key_or_password_cannot_log_in_either() -> None:
    assert "WARNING" in preseed(user="anna")


@pytest.mark.parametrize("clear", ["secret", "", "$1$old$hash", "$6$short", f"{HASH} x", "!!"])
@pytest.mark.parametrize("name", ["root_password_crypted", "user_password_crypted"])
def test_a_password_in_clear_is_refused_and_not_repeated(name: str, clear: str) -> None:
    with pytest.raises(NotBootable) as caught:
        preseed(user="anna", **{name: clear})
    told = str(caught.value)
    assert re.match(r"templates/preseed/debian.cfg.j2 line \d+: node n1: a password must be", told)
    assert not clear or clear not in told


# --- values stay values


@pytest.mark.parametrize(
    "bad", ["a\nd-i x/y string z", "a\rb", "a\0b", "a\x1bb", "a\\", "a\u2028b"]
)
@pytest.mark.parametrize(
    "name", ["user", "packages", "timezone", "disk", "late_command", "proxy", "suite"]
)
def test_a_value_cannot_begin_another_line(name: str, bad: str) -> None:
    with pytest.raises(NotBootable, match=r"debian.cfg.j2 line \d+: node n1: a value "):
        preseed(**{name: bad})


def test_an_undefined_name_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "preseed").mkdir()
    (tmp_path / "preseed" / "debian.cfg.j2").write_text("# ours\nd-i a/b string {{ vars.colour }}\n")
    node = Node("n1", (MAC,), "debian-12")
    with pytest.raises(NotBootable) as caught:
        render_preseed(node, PROFILES["debian-12"], SERVER, MIRROR, templates=Templates([tmp_path]))
    told = f"{tmp_path}/preseed/debian.cfg.j2 line 2: node n1: 'colour' is undefined"
    assert str(caught.value) == told


def test_a_profile_without_an_answer_file() -> None:
    with pytest.raises(NotBootable, match="node n1: profile local has no answer file"):
        render_preseed(Node("n1", (MAC,), "local"), PROFILES["local"], SERVER, MIRROR)


def test_a_machine_nobody_registered_is_named_by_its_mac() -> None:
    text = render_preseed(None, PROFILES["debian-12"], SERVER, MIRROR, mac=MAC)
    assert text.startswith("# 52-54-00-00-00-01 (52:54:00:00:00:01): profile debian-12\n")


def test_a_machine_nobody_knows_anything_of() -> None:
    with pytest.raises(NotBootable, match="needs the address"):
        render_preseed(None, PROFILES["debian-12"], SERVER, MIRROR)


# --- the mirror


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://mirror.example/debian", ("http", "mirror.example", "/debian")),
        ("http://mirror.example/debian/", ("http", "mirror.example", "/debian")),
        ("https://mirror.example:8443/a/b/", ("https", "mirror.example:8443", "/a/b")),
        ("http://192.0.2.9", ("http", "192.0.2.9", "/")),
    ],
)
def test_a_mirrors_url_is_split_for_the_installer(url: str, told: tuple[str, str, str]) -> None:
    protocol, host, directory = told
    text = preseed(url)
    assert f"d-i mirror/protocol string {protocol}\n" in text
    assert f"d-i mirror/{protocol}/hostname string {host}\n" in text
    assert f"d-i mirror/{protocol}/directory string {directory}\n" in text


@pytest.mark.parametrize(
    "url",
    ["", "ftp://m/debian", "http:///debian", "http://u:secret@m/debian", "m/debian", "http://m/?q"],
)
def test_no_mirror_the_installer_could_use(url: str) -> None:
    with pytest.raises(NotBootable, match=r"like http://host/debian$") as caught:
        preseed(url)
    assert "secret" not in str(caught.value)


# --- the disk: its command run on made-up machines

DISK = {"removable": "0", "ro": "0", "size": "1000", "bus": "pci0/ata1"}
MACHINES = {
    "one disk": ({"sda": {}}, "sda"),
    "a USB stick first": ({"sda": {"removable": "1"}, "sdb": {}}, "sdb"),
    "a USB disk that calls itself fixed": ({"sda": {"bus": "pci0/usb2/2-1"}, "sdb": {}}, "sdb"),
    "an SD card before eMMC": ({"mmcblk0": {"type": "SD"}, "mmcblk1": {"type": "MMC"}}, "mmcblk1"),
    "an empty card reader": ({"sda": {"size": "0"}, "nvme0n1": {}}, "nvme0n1"),
    "read-only": ({"sda": {"ro": "1"}, "vda": {}}, "vda"),
    "two disks": ({"nvme0n1": {}, "nvme1n1": {}}, "nvme0n1"),
    "only a stick": ({"sda": {"removable": "1"}}, None),
    "none": ({}, None),
}


def stub(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.run(
        ["sh", "-c", text], env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", MACHINES)
def test_the_first_disk_that_stays_is_taken_and_no_other(name: str, tmp_path: Path) -> None:
    disks, wanted = MACHINES[name]
    for disk, facts in disks.items():
        real = tmp_path / "devices" / (DISK | facts)["bus"] / disk
        (real / "device").mkdir(parents=True)
        for fact, value in (DISK | facts).items():
            (real / ("device/type" if fact == "type" else fact)).write_text(f"{value}\n")
        (tmp_path / "block").mkdir(exist_ok=True)
        (tmp_path / "block" / disk).symlink_to(real)
    stubs = tmp_path / "bin"
    stubs.mkdir()
    stub(stubs, "list-devices", f"for disk in {' '.join(disks)}; do echo /dev/$disk; done")
    stub(stubs, "debconf-set", f'echo "$@" >> {tmp_path}/set')
    stub(stubs, "logger", "")
    text = command(preseed(), "partman/early_command").replace("/sys/block", f"{tmp_path}/block")
    ended = run(text, stubs)
    assert ended.stderr == ""
    if wanted is None:
        assert ended.returncode != 0
        assert not (tmp_path / "set").exists()
    else:
        assert ended.returncode == 0
        assert (tmp_path / "set").read_text() == (
            f"partman-auto/disk /dev/{wanted}\ngrub-installer/bootdev /dev/{wanted}\n"
        )


@pytest.mark.parametrize(
    "disk", ["/dev/no-such-disk", "/dev/x$(touch OOPS)'`touch OOPS`", "/dev/null"]
)
def test_a_named_disk_that_is_none_stops_the_install(disk: str, tmp_path: Path) -> None:
    stub(tmp_path, "logger", f'echo "$*" > {tmp_path}/log')
    stub(tmp_path, "debconf-set", f"touch {tmp_path}/set")
    text = command(preseed(disk=disk), "partman/early_command")
    ended = run(f"cd {tmp_path}; {text}", tmp_path)
    assert ended.returncode != 0
    assert disk in (tmp_path / "log").read_text()
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "OOPS").exists()


# --- the last words, run


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder in place of the new system, the machine's EFI variables and its commands."""
    (tmp_path / "target" / "etc" / "sudoers.d").mkdir(parents=True)
    (tmp_path / "efi").mkdir()
    (tmp_path / "bin").mkdir()
    stub(tmp_path / "bin", "in-target", f'echo "$1" >> {tmp_path}/in-target; "$@"')
    stub(tmp_path / "bin", "chown", f'echo "$@" >> {tmp_path}/chown')
    stub(tmp_path / "bin", "logger", f'echo "$@" >> {tmp_path}/log')
    stub(
        tmp_path / "bin",
        "efibootmgr",
        f'if [ $# = 0 ]; then cat {tmp_path}/order; else echo "$@" > {tmp_path}/asked; fi',
    )
    (tmp_path / "order").write_text(
        "BootCurrent: 0003\nTimeout: 3 seconds\nBootOrder: 0005,0000,0003\nBoot0000* UEFI disk\n"
    )
    return tmp_path


def last_words(target: Path, **variables: str) -> None:
    text = command(preseed(**variables), "preseed/late_command")
    text = text.replace("/sys/firmware/efi", f"{target}/efi").replace("/target", f"{target}/target")
    ended = run(text, target / "bin")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_keys_arrive_as_they_were_given(target: Path) -> None:
    last_words(target, user="anna", ssh_authorized_keys=KEYS)
    kept = target / "target" / "home" / "anna" / ".ssh" / "authorized_keys"
    assert kept.read_text().splitlines() == [line for line in KEYS.splitlines() if line]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert (target / "chown").read_text() == "-R anna: /home/anna/.ssh\n"
    sudo = target / "target" / "etc" / "sudoers.d" / "netboot"
    assert sudo.read_text() == "anna ALL=(ALL) NOPASSWD: ALL\n"


def test_a_user_with_a_password_is_asked_for_it(target: Path) -> None:
    last_words(target, user="anna", ssh_authorized_keys=KEYS, user_password_crypted=HASH)
    assert not list((target / "target" / "etc" / "sudoers.d").iterdir())


def test_the_network_is_put_back_before_the_installers_own_entry(target: Path) -> None:
    last_words(target, boot_order="network")
    assert (target / "asked").read_text() == "-q -o 0003,0005,0000\n"


def test_the_boot_order_stays_where_that_is_wanted_or_there_is_none(target: Path) -> None:
    last_words(target)
    shutil.rmtree(target / "efi")
    last_words(target, boot_order="network")
    assert not (target / "asked").exists()


def test_a_boot_order_that_cannot_be_put_back_does_not_stop_the_install(target: Path) -> None:
    stub(target / "bin", "efibootmgr", "exit 1")
    last_words(target, boot_order="network")
    assert "boot order" in (target / "log").read_text()


def test_ones_own_command_comes_last(target: Path) -> None:
    last_words(target, late_command=f"echo done > {target}/own")
    assert (target / "own").read_text() == "done\n"
