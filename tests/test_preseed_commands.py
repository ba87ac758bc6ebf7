"""What an answer file's shell commands do, run on made-up machines.

Once in the host's shell, and once in each installer's own initrd, by its own busybox.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netboot.errors import NotBootable
from netboot.events import Event, Kind
from netboot.stages.installer import begun
from tests.installer_shell import HostShell, Initrd, command, copy, unpack
from tests.test_preseed import CASES, COMMANDS, HASH, KEYS, TOKEN_URL, preseed, questions

IMAGES = ("debian-12", "debian-13")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Mapping[str, Path]:
    folders = {image: tmp_path_factory.mktemp(image) for image in IMAGES}
    for image, folder in folders.items():
        unpack(images / image / "current" / "initrd.gz", folder)
    return folders


DIALOG = r"""
for name in subst fset input go; do
  eval "db_$name() { echo $name \"\$@\" >> /log/dialog; }"
done
db_x_loadtemplatefile() { cat "$1" >> /log/dialog; }
"""
INITRDS = [pytest.param(image, marks=pytest.mark.mirror) for image in IMAGES]


@pytest.fixture(params=["sh", *INITRDS])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> HostShell:
    if request.param == "sh":
        made = HostShell(tmp_path)
    else:
        made = copy(request.getfixturevalue("unpacked")[request.param], tmp_path)
    for name in ("logger", "wget", "debconf-set", "sleep"):
        made.stub(name, f'echo "$*" >> /log/{name}')
    made.file("/usr/share/debconf/confmodule", made.mapped(DIALOG))
    return made


def asked(shell: HostShell) -> list[tuple[str, dict[str, str]]]:
    """What the server was asked for: paths below the token's URL, and their queries."""
    found = []
    for line in shell.read("/log/wget").splitlines():
        url = urlsplit(line.split()[-1])
        assert url.geturl().startswith(f"{TOKEN_URL}/")
        query = parse_qs(url.query, strict_parsing=True)
        found.append((url.path.rsplit("/", 1)[1], {name: query[name][0] for name in query}))
    return found


def test_the_answer_files_arrival_is_told(shell: HostShell) -> None:
    assert shell.run(command(preseed(), "preseed/early_command")).returncode == 0
    assert asked(shell) == [("progress", {"stage": "early"})]


@pytest.mark.parametrize(
    ("folder", "stage"),
    [
        ("base-installer.d", "base-system"),
        ("pre-pkgsel.d", "packages"),
        ("finish-install.d", "late"),
    ],
)
def test_where_the_installer_runs_hooks_ours_tells_of_the_stage(
    shell: HostShell, folder: str, stage: str
) -> None:
    shell.run(command(preseed(), "preseed/early_command"))
    shell.stub("wget", 'echo "$*" >> /log/wget; exit 4')
    assert shell.run(f"/usr/lib/{folder}/01netboot").returncode == 0, "a server that is away"
    assert asked(shell)[1:] == [("progress", {"stage": stage})]
    assert begun(Event(Kind.PROGRESS, None, "n1", "", {"stage": stage})) is not None


# --- the disk

GB = 1000**3 // 512
LIST = 'for disk in /sys/block/*; do [ ! -e "$disk" ] || echo "/dev/${disk##*/}" | tr "!" /; done'
NVME = {"bus": "pci0/nvme"}
SSD = {"device/model": "SAMSUNG MZQL2960HCJR-00A07   ", "udev": "ID_SERIAL_SHORT=S64"}


def plug(shell: HostShell, name: str, **facts: Any) -> None:
    """A disk as the kernel shows it below /sys: 500 GB on a SATA port unless ``facts`` differ."""
    facts = {"removable": 0, "ro": 0, "size": 500 * GB, "bus": "pci0/ata1"} | facts
    real = f"/sys/devices/{facts.pop('bus')}/{name}"
    for fact, value in facts.items():
        shell.file(f"{real}/{fact}", f"{value}\n")
    if not name.startswith("dm-"):
        shell.at(f"{real}/device").mkdir(parents=True, exist_ok=True)
    link = shell.at(f"/sys/block/{name}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("../" + real.removeprefix("/sys/"))


def choose(shell: HostShell, **variables: str) -> str | None:
    """The disk that is chosen; None where it waits for another one to be plugged in."""
    shell.stub("list-devices", LIST)
    shell.stub("udevadm", 'cat "$5/udev" 2>/dev/null')
    shell.stub("sleep", "touch /log/waited; exec kill $PPID")
    ended = shell.run(command(preseed(**variables), "partman/early_command"))
    assert shell.at("/log/waited").exists() == (ended.returncode != 0)
    answers = shell.read("/log/debconf-set").splitlines()
    if not answers:
        return None
    disk = answers[0].split()[1]
    assert answers == [f"partman-auto/disk {disk}", f"grub-installer/bootdev {disk}"]
    assert asked(shell) == [("progress", {"stage": "partition", "status": "0", "detail": disk})]
    return disk


MACHINES: dict[str, tuple[dict[str, dict[str, Any]], str | None]] = {
    "one disk": ({"sda": {}}, "sda"),
    "a USB stick first": ({"sda": {"removable": 1}, "sdb": {}}, "sdb"),
    "a USB disk that calls itself fixed": ({"sda": {"bus": "pci0/usb2/2-1"}, "sdb": {}}, "sdb"),
    "an SD card before eMMC": (
        {"mmcblk0": {"device/type": "SD"}, "mmcblk1": {"device/type": "MMC"}},
        "mmcblk1",
    ),
    "an empty card reader": ({"sda": {"size": 0}, "nvme0n1": NVME}, "nvme0n1"),
    "AMT's floppy and CD": (
        {"sda": {"removable": 1, "bus": "pci0/usb1"}, "sr0": {"removable": 1}, "sdb": {}},
        "sdb",
    ),
    "read-only": ({"sda": {"ro": 1}, "vda": {}}, "vda"),
    "one path of a multipath NVMe": (
        {"nvme0c0n1": NVME | {"hidden": 1}, "nvme0n1": NVME},
        "nvme0n1",
    ),
    "an old logical volume": ({"dm-0": {"bus": "virtual"}, "sda": {}}, "sda"),
    "an old RAID controller": ({"cciss!c0d0": {}}, "cciss/c0d0"),
    "two disks": ({"nvme0n1": NVME, "nvme1n1": NVME}, "nvme0n1"),
    "only a stick": ({"sda": {"removable": 1}}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_first_disk_that_stays_is_taken_and_no_other(shell: HostShell, name: str) -> None:
    disks, wanted = MACHINES[name]
    for disk, facts in disks.items():
        plug(shell, disk, **facts)
    assert choose(shell) == (wanted and f"/dev/{wanted}")


@pytest.mark.parametrize(
    ("disk", "wanted"),
    [
        ("first", "sda"),
        ("largest", "sdb"),
        ("smallest", "sdc"),
        ("min=600G", "sdb"),
        ("min=1T", None),
        ("max=100G", "sdc"),
        ("min=100G,smallest", "sda"),
        ("model=MZQL2960", "sdb"),
        ("model=MZQL*00A07", "sdb"),
        ("model=$(touch /log/oops)'`touch /log/oops`", None),
        ("serial=S64", "sdb"),
        ("serial=S6", None),
        ("serial=S*", "sdb"),
        ("largest,serial=V1", "sdc"),
        ("/dev/sdc", "sdc"),
        ("/dev/sdd", None),
        ("/dev/sde", None),
        ("/dev/x$(touch /log/oops)'`touch /log/oops`", None),
        ("min=600G,/dev/sdc", None),
    ],
)
def test_a_disk_by_what_it_is(shell: HostShell, disk: str, wanted: str | None) -> None:
    plug(shell, "sda")
    plug(shell, "sdb", size=960 * GB, **SSD)
    plug(shell, "sdc", size=50 * GB, serial="V1")
    plug(shell, "sdd", size=4000 * GB, removable=1)
    assert choose(shell, disk=disk) == (wanted and f"/dev/{wanted}")
    assert not shell.at("/log/oops").exists()


def test_the_installers_own_medium_is_left_alone(shell: HostShell) -> None:
    plug(shell, "sda")
    plug(shell, "sdaa")
    shell.file("/proc/mounts", "/dev/sda1 /hd-media vfat ro 0 0\n")
    assert choose(shell) == "/dev/sdaa"


def test_where_no_disk_fits_it_says_which_there_are_and_looks_again(shell: HostShell) -> None:
    plug(shell, "sda", removable=1, size=8 * GB, **{"device/model": "Flash & Key"})
    plug(shell, "sdb", size=50 * GB)
    shell.stub("list-devices", LIST)
    shell.stub("udevadm", "")
    shell.stub("sleep", "ln -s ../devices/late/sdc /sys/block/sdc")
    plug(shell, "sdc", bus="late")
    shell.at("/sys/block/sdc").unlink()
    ended = shell.run(command(preseed(disk="min=100G"), "partman/early_command"))
    assert ended.returncode == 0
    seen = "/dev/sda 8 GB Flash & Key (removable), /dev/sdb 50 GB (smaller than 100G)"
    told = {"stage": "partition", "status": "1"}
    assert asked(shell)[0] == (
        "progress",
        told | {"detail": f"no disk fits: {seen.replace('&', '').replace('  ', ' ')}"},
    )
    assert asked(shell)[1][1]["detail"] == "/dev/sdc"
    assert len(asked(shell)) == 2
    dialog = shell.read("/log/dialog")
    assert f"subst netboot/no-disk SEEN {seen}\n" in dialog
    assert "input critical netboot/no-disk\n" in dialog
    assert " This machine is to be installed on: ${WANTED}." in dialog


# --- the whole way through the installer's own debconf


@pytest.fixture(params=INITRDS)
def installer(
    request: pytest.FixtureRequest, tmp_path: Path, unpacked: Mapping[str, Path]
) -> Initrd:
    made = copy(unpacked[request.param], tmp_path)
    for name in ("logger", "wget", "sleep"):
        made.stub(name, f'echo "$*" >> /log/{name}')
    made.run("debconf-loadtemplate debian-installer /var/lib/dpkg/info/*.templates")
    return made


def answer(installer: Initrd, **variables: str) -> str:
    """Give the installer an answer file as it takes it in."""
    text = preseed(**variables)
    installer.file("/log/answers.cfg", text)
    assert installer.run("debconf-set-selections /log/answers.cfg").returncode == 0
    return text


@pytest.mark.parametrize("name", CASES)
def test_the_installer_reads_what_was_meant(installer: Initrd, name: str) -> None:
    text = answer(installer, **CASES[name])
    for question in questions(text):
        stored = installer.run(f"debconf-get {question}").stdout.rstrip("\n")
        kind = "note" if question.endswith("_in_progress") else r"\w+"
        line = re.search(rf"^\S+ {question} {kind} ?(.*)$", text, re.MULTILINE)[1]
        assert stored == (command(text, question) if line == "\\" else line.strip()), question


def test_the_installer_shows_that_no_disk_fits_and_goes_on_when_one_does(
    installer: Initrd,
) -> None:
    installer.stub("list-devices", LIST)
    installer.stub("udevadm", "")
    installer.stub("sleep", "ln -s ../devices/late/sdc /sys/block/sdc")
    plug(installer, "sda", removable=1, size=8 * GB)
    plug(installer, "sdc", bus="late")
    installer.at("/sys/block/sdc").unlink()
    answer(installer)
    assert installer.run("preseed_command partman/early_command").returncode == 0
    shown = installer.read("/var/lib/cdebconf/questions.dat")
    assert "SEEN = /dev/sda 8 GB (removable)" in shown
    assert "No disk to install on" in installer.read("/var/lib/cdebconf/templates.dat")
    assert installer.run("debconf-get partman-auto/disk").stdout == "/dev/sdc\n"


@pytest.mark.parametrize("name", ["everything.cfg", "user-password.cfg"])
def test_no_secret_is_kept_in_what_the_installer_saves(installer: Initrd, name: str) -> None:
    """It copies questions.dat into the new system, for root to read."""
    answer(installer, **CASES[name])
    assert HASH in installer.read("/var/lib/cdebconf/questions.dat")
    stub_target(installer)
    installer.at("/stub/debconf-get").unlink()
    assert installer.run("preseed_command preseed/late_command").returncode == 0
    assert "installed?" in installer.read("/log/wget")
    for saved in ("/var/lib/cdebconf/questions.dat", "/log/logger"):
        assert installer.read(saved)
        assert "correct horse" not in installer.read(saved)
        assert HASH not in installer.read(saved)
    if name == "everything.cfg":
        assert installer.read("/log/chpasswd") == f"ben-b:{HASH}\n"


@pytest.mark.parametrize(
    "arguments",
    ["BOOTIF=01-52-54-00-00-00-01", "BOOTIF=01-52-54-00-00-00-01 --- console=ttyS0 quiet"],
)
def test_bootif_is_not_left_in_the_installed_system(installer: Initrd, arguments: str) -> None:
    """user-params says what the boot loader of the new system is given."""
    installer.file("/proc/cmdline", f"initrd=initrd.gz auto=true url=http://x {arguments}\n")
    kept = installer.run("user-params").stdout.split()
    assert kept == arguments.partition(" --- ")[2].split()


# --- the end


FINGERPRINTS = {"ed25519": "SHA256:a+b/c=", "ecdsa": "SHA256:d+e/f", "rsa": "SHA256:ghi"}


def stub_target(shell: HostShell) -> None:
    """Programs of the new system, and the machine's EFI variables."""
    shell.stub("in-target", 'echo "$*" >> /log/in-target; "$@"')
    for name in ("useradd", "chown", "mount", "umount"):
        shell.stub(name, f'echo "{name} $*" >> /log/target')
    shell.stub("mountpoint", "[ -e /sys/firmware/efi/efivars/mounted ]")
    shell.stub("debconf-get", f"[ $1 = netboot/password-ben-b ] && echo '{HASH}'")
    keys = " ".join(f"*{kind}*) echo 256 {line} x;;" for kind, line in FINGERPRINTS.items())
    shell.stub(
        "chroot",
        f"""shift; case "$*" in
          "chpasswd -e"|debconf-set-selections) cat >> "/log/$1";;
          ssh-keygen*) case "$3" in {keys} esac;;
          *) exit 9;;
        esac""",
    )
    shell.stub("efibootmgr", "[ $# = 0 ] && exec cat /log/order; echo $* > /log/efibootmgr")
    shell.file(
        "/log/order",
        "BootCurrent: 0003\nTimeout: 3 seconds\nBootOrder: 0005,0000,0003\nBoot0000* disk\n",
    )
    shell.at("/sys/firmware/efi/efivars").mkdir(parents=True)
    shell.at("/target/etc/sudoers.d").mkdir(parents=True, exist_ok=True)


@pytest.fixture
def target(shell: HostShell) -> HostShell:
    stub_target(shell)
    return shell


def end(shell: HostShell, **variables: str) -> list[tuple[str, str]]:
    """Run the last command; what it did, with the exit status of each."""
    ended = shell.run(command(preseed(**variables), "preseed/late_command"))
    assert ended.returncode == 0
    *progress, last = asked(shell)
    assert last[0] == "installed"
    assert {(kind, query["stage"]) for kind, query in progress} <= {("progress", "late")}
    return [(query["detail"], query["status"]) for _, query in progress]


def test_keys_arrive_as_they_were_given(target: HostShell) -> None:
    end(target, user="anna", ssh_authorized_keys=KEYS, ssh_authorized_keys_2="ssh-rsa CCCC")
    kept = target.at("/target/home/anna/.ssh/authorized_keys")
    given = [line for line in KEYS.splitlines() if line]
    assert kept.read_text().splitlines() == [*given, "ssh-rsa CCCC"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert "chown -R anna: /home/anna/.ssh\n" in target.read("/log/target")
    assert target.read("/target/etc/sudoers.d/netboot") == "anna ALL=(ALL) NOPASSWD: ALL\n"


def test_without_any_user_the_keys_are_roots(target: HostShell) -> None:
    end(target, ssh_authorized_keys="ssh-rsa AAAA")
    assert target.read("/target/root/.ssh/authorized_keys") == "ssh-rsa AAAA\n"
    assert not target.at("/target/etc/sudoers.d/netboot").exists()


def test_a_user_with_a_password_is_asked_for_it(target: HostShell) -> None:
    end(target, user="anna", ssh_authorized_keys=KEYS, user_password_crypted=HASH)
    assert not target.at("/target/etc/sudoers.d/netboot").exists()


def test_more_users_are_made_with_their_own(target: HostShell) -> None:
    done = end(target, **CASES["everything.cfg"])
    assert ("user:ben-b", "0") in done
    made = "useradd -m -s /bin/bash -c Ben B. -G sudo ben-b\n"
    assert made in target.read("/log/target")
    assert target.read("/log/chpasswd") == f"ben-b:{HASH}\n"
    assert target.read("/target/home/ben-b/.ssh/authorized_keys") == "ssh-rsa CCCC ben\n"
    assert "netboot/password-ben-b \n" in target.read("/log/debconf-set")


def test_a_password_that_debconf_lost_does_not_become_an_empty_one(target: HostShell) -> None:
    target.stub("debconf-get", "exit 10")
    assert ("password:ben-b", "10") in end(target, **CASES["everything.cfg"])
    assert target.read("/log/chpasswd") == ""


def test_late_commands_run_in_the_order_of_their_names_and_each_is_told(
    target: HostShell,
) -> None:
    done = end(
        target,
        late_command_2="echo two >> /log/late; exit 7",
        late_command_1="cd /no/such/folder\necho one >> /log/late",
        late_command_3="printf 'a\\nb\\n' >> /log/late # it's the end",
        boot_order="disk",
    )
    assert target.read("/log/late") == "one\ntwo\na\nb\n"
    assert [(name, status != "0") for name, status in done] == [
        ("late_command_1", True),
        ("late_command_1", False),
        ("late_command_2", True),
        ("late_command_3", False),
    ]
    steps = [query.get("step") for kind, query in asked(target) if kind == "progress"]
    assert steps == ["1", "2", "3", "4"]
    assert asked(target)[-1][1]["status"] == "2"


def test_the_call_home_is_the_last_word_and_names_the_host_keys(target: HostShell) -> None:
    end(target)
    assert asked(target)[-1] == (
        "installed",
        {"hostkey": ",".join(FINGERPRINTS.values()), "status": "0"},
    )


def test_a_server_that_is_away_is_asked_again_and_does_not_stop_the_install(
    target: HostShell,
) -> None:
    target.stub("wget", 'echo "$*" >> /log/wget; exit 4')
    ended = target.run(command(preseed(boot_order="disk"), "preseed/late_command"))
    assert ended.returncode == 0
    assert [kind for kind, _ in asked(target)] == ["installed"] * 15
    assert target.read("/log/sleep").split() == [str(tried) for tried in range(1, 16)]


# --- the firmware's boot order


def test_the_network_is_put_back_before_the_installers_own_entry(target: HostShell) -> None:
    assert end(target) == [("boot_order", "0")]
    assert target.read("/log/efibootmgr") == "-q -o 0003,0005,0000\n"
    efivars = target.mapped("/sys/firmware/efi/efivars")
    mounted = [f"mount -t efivarfs efivarfs {efivars}", f"umount {efivars}"]
    assert target.read("/log/target").splitlines() == mounted
    kept = "grub-efi-amd64 grub2/update_nvram boolean false\n"
    assert target.read("/log/debconf-set-selections") == kept


def test_what_the_installer_has_mounted_stays_so(target: HostShell) -> None:
    target.file("/sys/firmware/efi/efivars/mounted", "")
    assert end(target) == [("boot_order", "0")]
    assert target.read("/log/target") == ""


def test_the_boot_order_stays_where_that_is_wanted(target: HostShell) -> None:
    assert end(target, boot_order="disk") == []
    assert target.read("/log/efibootmgr") == ""


def test_a_bios_has_no_boot_order_of_ours(target: HostShell) -> None:
    target.at("/sys/firmware/efi/efivars").rmdir()
    assert end(target) == [("boot_order", "0")]
    assert target.read("/log/in-target") == ""


@pytest.mark.parametrize("said", ["exit 1", "[ $# != 0 ] || echo BootOrder: 0001"])
def test_a_boot_order_that_cannot_be_put_back_does_not_stop_the_install(
    target: HostShell, said: str
) -> None:
    target.stub("efibootmgr", said)
    assert end(target) == [("boot_order", "1")]
    assert asked(target)[-1][1]["status"] == "1"


# --- whatever a variable holds

HOSTILE = st.lists(
    st.sampled_from(
        [
            *"\"'\\ \n#|*~-é=,!{}%\t\x1b",
            "$(touch /log/oops)",
            "`touch /log/oops`",
            "${IFS}",
            "\\n",
            *[
                "';touch\t/log/oops;'",
                "&&touch\t/log/oops",
                ">/log/oops",
                "/dev/",
                "min=",
                "model=",
                "100G",
                "::",
                "a",
            ],
        ]
    ),
    max_size=6,
).map("".join)
NAMES = st.sampled_from(
    [
        "user",
        "user_fullname",
        "user_ben_fullname",
        "user_ben_ssh_authorized_keys",
        "users",
        "suite",
        "tasks",
        "packages",
        "ssh_authorized_keys",
        "root_password_crypted",
        "disk",
        "partition_method",
        "partitioning",
        "luks_passphrase",
        "timezone",
        "ntp_server",
        "http_proxy",
        "security_host",
        "apt_services",
        "firmware_packages",
        "boot_order",
    ]
)
USERS = {"user": "anna", "users": "ben", "boot_order": "disk"}


@settings(max_examples=60, deadline=None)
@given(variables=st.dictionaries(NAMES, HOSTILE, min_size=1, max_size=3))
def test_no_value_gets_out_of_its_place(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        text = preseed(**(USERS | variables))
    except NotBootable:
        return
    assert {line.split()[0] for line in answers(text)} == {"d-i", "tasksel", "popularity-contest"}
    assert set(questions(text)) <= KNOWN
    shell = HostShell(tmp_path_factory.mktemp("machine"))
    for name in ("logger", "wget", "debconf-set", "sleep", "list-devices"):
        shell.stub(name, "")
    stub_target(shell)
    shell.stub("list-devices", "echo /dev/sda")
    shell.stub("udevadm", "")
    shell.stub("sleep", "exec kill $PPID")
    plug(shell, "sda")
    for question in COMMANDS:
        assert "syntax" not in shell.run(command(text, question)).stderr.lower()
    assert not shell.at("/log/oops").exists()


@settings(deadline=None)
@given(value=st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200))
def test_a_late_command_arrives_as_it_was_typed(value: str) -> None:
    assume(not value.endswith("\\"))  # refused, as everywhere
    late = command(preseed(late_command=value), "preseed/late_command")
    assert "\\n" not in late
    words = [] if not value.strip() else shlex.split(re.search(r" sh -c (.*?); (?=net)", late)[1])
    assert words == [value][: len(words)]
    assert bool(words) == bool(value.strip())


def answers(text: str) -> list[str]:
    lines = re.sub(r"\\\n", "", text).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


KNOWN = {question for name in CASES for question in questions(preseed(**CASES[name]))} | {
    "netboot/password-ben"
}
