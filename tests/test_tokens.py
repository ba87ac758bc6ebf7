"""Per-boot tokens: nobody else can make one, none outlives its time, none reaches a log."""

import base64
import string
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.answer.tokens import (
    KEY_SIZE,
    MAX_CLOCK_STEP,
    TOKEN_LIFETIME,
    Tokens,
    load_key,
    redact,
)
from netboot.errors import ConfigError, NotServed
from netboot.model import Mac

MAC = Mac("52:54:00:00:00:01")
OTHER = Mac("52:54:00:00:00:02")
KEY = bytes(range(KEY_SIZE))
START = 1_800_000_000.0
URL_SAFE = set(string.ascii_letters + string.digits + "-_")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def tokens(key: bytes = KEY) -> Tokens:
    return Tokens(key, Clock())


@pytest.mark.parametrize("installation", [0, 1, 2**31])
def test_a_token_names_its_machine_and_which_installation_it_is_for(installation: int) -> None:
    assert tokens().check(tokens().issue(MAC, installation)) == (MAC, installation)


def test_a_token_outlives_a_restart_with_the_same_key() -> None:
    assert Tokens(KEY, Clock()).check(Tokens(KEY, Clock()).issue(MAC, 1)) == (MAC, 1)


def test_every_boot_has_its_own() -> None:
    one = tokens()
    assert len({one.issue(MAC, 1) for _ in range(100)}) == 100


def test_a_token_stands_in_a_url_as_it_is() -> None:
    assert set(tokens().issue(MAC, 1)) <= URL_SAFE


@pytest.mark.parametrize(
    ("after", "good"),
    [
        (0, True),
        (TOKEN_LIFETIME, True),
        (TOKEN_LIFETIME + 1, False),
        (10 * TOKEN_LIFETIME, False),
        (-MAX_CLOCK_STEP, True),
        (-MAX_CLOCK_STEP - 1, False),
    ],
)
def test_a_token_has_its_time(after: int, good: bool) -> None:
    clock = Clock()
    issuer = Tokens(KEY, clock)
    token = issuer.issue(MAC, 1)
    clock.now += after
    if good:
        assert issuer.check(token) == (MAC, 1)
    else:
        with pytest.raises(NotServed, match="too old"):
            issuer.check(token)


GOOD = tokens().issue(MAC, 1)
PACKED = base64.urlsafe_b64decode(GOOD.removeprefix("nbt_"))


def packed(raw: bytes) -> str:
    return "nbt_" + base64.urlsafe_b64encode(raw).decode()


FORGERIES = {
    "nothing": "",
    "only the prefix": "nbt_",
    "without the prefix": GOOD.removeprefix("nbt_"),
    "another prefix": "NBT_" + GOOD.removeprefix("nbt_"),
    "a letter short": GOOD[:-1],
    "a letter long": GOOD + "A",
    "padded": GOOD + "====",
    "with a line break": GOOD + "\n",
    "in a path": GOOD + "/",
    "percent": GOOD.replace("_", "%5F"),
    "no ASCII": "nbt_" + "\u0661" * 48,
    "other base64 letters": "nbt_" + "+/" * 24,
    "another machine": packed(bytes.fromhex(OTHER.replace(":", "")) + PACKED[6:]),
    "a later time": packed(PACKED[:6] + b"\xff\xff\xff\xff" + PACKED[10:]),
    "no code": packed(PACKED[:18] + bytes(18)),
    "another key": tokens(bytes(KEY_SIZE)).issue(MAC, 1),
    "very long": "nbt_" + "A" * 1_000_000,
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery(token: str) -> None:
    with pytest.raises(NotServed) as caught:
        tokens().check(token)
    assert str(caught.value) == "no such token"


@pytest.mark.parametrize("bit", range(len(PACKED) * 8))
def test_every_bit_counts(bit: int) -> None:
    changed = bytearray(PACKED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotServed):
        tokens().check(packed(bytes(changed)))


@given(st.text(max_size=80))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(NotServed):
        tokens().check(text)


@pytest.mark.parametrize("size", [0, KEY_SIZE - 1, KEY_SIZE + 1])
def test_a_key_of_another_size_is_our_own_mistake(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(bytes(size), Clock())


def test_the_key_is_not_in_its_picture() -> None:
    assert KEY.hex() not in repr(tokens())
    assert repr(KEY) not in repr(tokens())


# --- redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /node/TOKEN/preseed.cfg 200", "GET /node/…/preseed.cfg 200"),
        ("url=http://192.0.2.1:8080/node/TOKEN/preseed.cfg x", None),
        ("GET /node/guess/preseed.cfg", "GET /node/…/preseed.cfg"),
        ("GET /node/%6ebt_AAAA/preseed.cfg", "GET /node/…/preseed.cfg"),
        ("GET /node/a/b /node/c?d", "GET /node/…/b /node/…?d"),
        ("token TOKEN.", "token …."),
        ("TOKENTOKEN", "…"),
        ("GET /images/debian-12/linux", "GET /images/debian-12/linux"),
        ("node n1: nothing secret", "node n1: nothing secret"),
    ],
)
def test_no_token_reaches_a_log(text: str, shown: str | None) -> None:
    text = text.replace("TOKEN", GOOD)
    assert GOOD not in redact(text)
    assert redact(text) == (shown if shown is not None else text.replace(GOOD, "…"))


@given(st.text(), st.text())
def test_no_surroundings_save_a_token_from_being_cut(before: str, after: str) -> None:
    assert GOOD not in redact(f"{before}{GOOD}{after}")


# --- the key file


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "token.key"
    key = load_key(path)
    assert len(key) == KEY_SIZE
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == key
    assert list(path.parent.iterdir()) == [path]


def test_a_key_is_not_guessable(tmp_path: Path) -> None:
    assert load_key(tmp_path / "a") != load_key(tmp_path / "b")


def test_programs_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    together = threading.Barrier(8)
    keys: list[bytes] = []

    def start() -> None:
        together.wait()
        keys.append(load_key(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token.key"
    load_key(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"token.key: has mode {mode:04o}: must be 0600"):
        load_key(path)


@pytest.mark.parametrize("content", [b"", b"short", bytes(KEY_SIZE + 1)])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="must hold 32 bytes"):
        load_key(path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match=r"token.key: cannot be used: "):
        load_key(tmp_path / "run" / "token.key")
