"""The installer's answer file: golden files, debconf as oracle, and the values people give it.

What its shell commands do is in ``test_preseed_commands``.
"""

import re
import subprocess
from pathlib import Path

import pytest

from netboot.answer.answers import render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.errors import NotBootable
from netboot.model import Mac, Node, Server
from tests.installer_shell import command

GOLDEN = Path(__file__).parent / "golden" / "preseed"
MAC = Mac("52:54:00:00:00:01")
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
TOKEN_URL = f"{SERVER.url}/node/TOKEN"
MIRROR = "http://mirror.example/debian"
PROFILES = load_profiles()
HASH = "$6$saltsaltsalt$" + "h" * 86
KEYS = 'ssh-ed25519 AAAAC3Nz anna\'s key\n\nssh-rsa AAAAB3Nz $(reboot) `reboot` "x"\n'
RECIPE = "web :: 512 512 512 ext4 $primary{ } method{ format } format{ } mountpoint{ / } ."


def preseed(mirror: str = MIRROR, templates: Templates | None = None, **variables: str) -> str:
    node = Node("n1", (MAC,), "debian-12", {}, variables)
    profile, more = PROFILES["debian-12"], {"templates": templates} if templates else {}
    return render_answer(
        "preseed.cfg", node, profile, SERVER, mirror, token_url=TOKEN_URL, **more
    ).decode()


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
        "partitioning": RECIPE,
        "boot_order": "disk",
        "timezone": "Europe/Zurich",
        "ntp_server": "ntp.example",
        "http_proxy": "http://proxy.example:3128",
        "security_host": "mirror.example",
        "tasks": "standard, ssh-server",
    },
    "user-password.cfg": {
        "user": "anna",
        "user_fullname": "Anna Muster",
        "user_password_crypted": HASH,
        "root_password_crypted": HASH,
    },
    "everything.cfg": {
        "users": "anna ben-b",
        "ssh_authorized_keys": "ssh-rsa AAAA anna",
        "ssh_authorized_keys_home": "ssh-rsa BBBB anna",
        "user_ben_b_fullname": "Ben B.",
        "user_ben_b_password_crypted": HASH,
        "user_ben_b_ssh_authorized_keys": "ssh-rsa CCCC ben",
        "disk": "largest, min=100G, max=2T, model=PM9*, serial=S1",
        "partition_method": "crypto",
        "luks_passphrase": "correct horse battery",
        "partitioning": "home",
        "apt_services": "none",
        "firmware": "true",
        "late_command_1_motd": "printf 'a\\nb\\n' > /target/etc/motd",
        "late_command_2": "false\ntrue",
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


def questions(text: str) -> list[str]:
    lines = re.sub(r"\\\n", "", text).splitlines()
    return [line.split()[1] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", CASES)
def test_every_question_is_answered_once(name: str) -> None:
    asked = questions(preseed(**CASES[name]))
    assert len(asked) == len(set(asked))


COMMANDS = ["preseed/early_command", "partman/early_command", "preseed/late_command"]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("question", COMMANDS)
def test_its_commands_are_shell(name: str, question: str) -> None:
    text = command(preseed(**CASES[name]), question)
    checked = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", CASES)
def test_no_value_holds_what_debconf_takes_for_its_end(name: str) -> None:
    """Its own escape: a value is cut off at a backslash and an n, and the rest is lost."""
    assert "\\n" not in preseed(**CASES[name])


# --- who can log in


def test_nobody_can_log_in_unless_somebody_may_and_the_machine_says_so() -> None:
    text = preseed()
    assert "# WARNING: nobody can log in." in text
    assert "d-i passwd/root-password-crypted password !\n" in text
    assert "/target/etc/issue" in text


@pytest.mark.parametrize(
    "variables",
    [
        {"root_password_crypted": HASH},
        {"ssh_authorized_keys": "ssh-rsa AAAA"},
        {"users": "anna ben", "user_ben_password_crypted": HASH},
        {"users": "anna ben", "user_ben_ssh_authorized_keys_2": "ssh-rsa AAAA"},
    ],
)
def test_no_warning_where_somebody_can(variables: dict[str, str]) -> None:
    assert "WARNING" not in preseed(**variables)
    assert "/target/etc/issue" not in preseed(**variables)


def test_a_user_without_any_key_or_password_cannot_log_in_either() -> None:
    assert "WARNING" in preseed(user="anna")


def test_root_cannot_log_in_where_there_is_a_user() -> None:
    assert "d-i passwd/root-login boolean false\n" in preseed(user="anna")


def test_hashes_stand_in_answers_and_never_in_a_command_which_is_logged() -> None:
    text = preseed(**CASES["everything.cfg"])
    assert HASH in text
    assert "correct horse battery" in text
    for question in COMMANDS:
        assert HASH not in command(text, question)
        assert "correct horse" not in command(text, question)


@pytest.mark.parametrize("clear", ["secret", "", "$1$old$hash", "$6$short", f"{HASH} x", "!!"])
@pytest.mark.parametrize(
    "name", ["root_password_crypted", "user_password_crypted", "user_ben_password_crypted"]
)
def test_a_password_in_clear_is_refused_and_not_repeated(name: str, clear: str) -> None:
    with pytest.raises(NotBootable) as caught:
        preseed(user="anna", users="ben", **{name: clear})
    told = str(caught.value)
    assert re.match(r"templates/preseed/debian.cfg.j2 line \d+: node n1: a password must be", told)
    assert not clear or clear not in told


# --- values that are refused, before a machine is told anything


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"partition_method": "zfs"}, "partition_method, which must be regular or lvm or crypto"),
        ({"partitioning": "big"}, "partitioning, which must be atomic or home or multi"),
        ({"boot_order": "cd"}, "boot_order, which must be network or disk"),
        ({"firmware": "yes"}, "firmware, which must be false or true"),
        ({"disk": "sda"}, "disk: a term like first"),
        ({"disk": "min=100"}, "disk: a term like first"),
        ({"disk": "min=G"}, "disk: a term like first"),
        ({"disk": "largest,smallest"}, "disk: a term like first"),
        ({"user": "Anna"}, "a user's name"),
        ({"users": "anna ../x"}, "a user's name"),
        ({"partition_method": "crypto"}, "'luks_passphrase' is undefined"),
        ({"partition_method": "crypto", "luks_passphrase": "short"}, "of at least 8 characters"),
        ({"partition_method": "crypto", "luks_passphrase": " long enough"}, "no space around"),
        ({"user_fullname": "a\\nb"}, "user_fullname with a backslash and an n"),
        ({"partitioning": "preseed/none.recipe"}, "no template 'preseed/none.recipe'"),
    ],
)
def test_a_value_that_would_make_the_installer_ask(variables: dict[str, str], told: str) -> None:
    with pytest.raises(NotBootable, match=re.escape(told)) as caught:
        preseed(**variables)
    passphrase = variables.get("luks_passphrase", "short")
    assert passphrase.strip() not in str(caught.value)


def test_a_recipe_of_ones_own_is_a_template(tmp_path: Path) -> None:
    (tmp_path / "preseed").mkdir()
    (tmp_path / "preseed" / "web.recipe").write_text(RECIPE.replace(" method", "\n  method"))
    text = preseed(templates=Templates([tmp_path]), partitioning="preseed/web.recipe")
    assert command(text, "partman-auto/expert_recipe") == RECIPE
    assert "partman-auto/choose_recipe" not in text


# --- values stay values


@pytest.mark.parametrize(
    "bad", ["a\nd-i x/y string z", "a\rb", "a\0b", "a\x1bb", "a\\", "a\u2028b"]
)
@pytest.mark.parametrize(
    "name", ["user_fullname", "timezone", "http_proxy", "suite", "tasks", "security_host"]
)
def test_a_value_cannot_begin_another_line(name: str, bad: str) -> None:
    with pytest.raises(NotBootable, match=r"debian.cfg.j2 line \d+: node n1: a value "):
        preseed(user="anna", **{name: bad})


def test_packages_may_stand_on_several_lines() -> None:
    assert "d-i pkgsel/include string openssh-server vim git\n" in preseed(packages="vim\n git\n")


def test_an_undefined_name_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "preseed").mkdir()
    (tmp_path / "preseed" / "debian.cfg.j2").write_text(
        "# ours\nd-i a/b string {{ vars.colour }}\n"
    )
    with pytest.raises(NotBootable) as caught:
        preseed(templates=Templates([tmp_path]))
    told = f"{tmp_path}/preseed/debian.cfg.j2 line 2: node n1: 'colour' is undefined"
    assert str(caught.value) == told


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
    text = preseed(url, http_proxy="http://proxy.example:3128")
    assert f"d-i mirror/protocol string {protocol}\n" in text
    assert f"d-i mirror/{protocol}/hostname string {host}\n" in text
    assert f"d-i mirror/{protocol}/directory string {directory}\n" in text
    assert f"d-i mirror/{protocol}/proxy string http://proxy.example:3128\n" in text


@pytest.mark.parametrize(
    "url",
    ["", "ftp://m/debian", "http:///debian", "http://u:secret@m/debian", "m/debian", "http://m/?q"],
)
def test_no_mirror_the_installer_could_use(url: str) -> None:
    with pytest.raises(NotBootable, match=r"like http://host/debian$") as caught:
        preseed(url)
    assert "secret" not in str(caught.value)
