"""Who may have a token, and what it opens, once."""

import pytest

from netboot.boot import attempts as module
from netboot.boot.attempts import HEARD_SECONDS, Attempts
from netboot.errors import AlreadyGiven, NotServed
from netboot.model import Mac

MAC = Mac("52:54:00:00:00:01")


def test_only_a_machine_that_was_heard_lately_may_have_a_token() -> None:
    attempts = Attempts()
    assert not attempts.may_have_token(MAC, 1000)
    attempts.discovered(MAC, 1000)
    assert attempts.may_have_token(MAC, 1000 + HEARD_SECONDS)
    assert not attempts.may_have_token(MAC, 1001 + HEARD_SECONDS)
    assert not attempts.may_have_token(Mac("52:54:00:00:00:02"), 1000)


def test_a_clock_put_back_gives_nothing_away() -> None:
    attempts = Attempts()
    attempts.discovered(MAC, 1000)
    assert not attempts.may_have_token(MAC, 999)


def test_what_was_heard_outlives_a_restart_while_it_counts() -> None:
    attempts = Attempts()
    attempts.discovered(MAC, 1000)
    assert Attempts(attempts.heard(1001)).may_have_token(MAC, 1002)
    assert attempts.heard(1001 + HEARD_SECONDS) == {}


def test_each_file_is_given_once_a_boot() -> None:
    attempts = Attempts()
    attempts.show(MAC, "10.0.0.9")
    attempts.give(MAC, "preseed.cfg")
    attempts.show(MAC, "10.0.0.9")
    attempts.give(MAC, "other")
    attempts.show(MAC, "10.0.0.9")
    with pytest.raises(AlreadyGiven, match=r"preseed\.cfg was given before"):
        attempts.give(MAC, "preseed.cfg")


def test_a_boots_tokens_belong_to_the_first_address_that_shows_one() -> None:
    attempts = Attempts()
    attempts.show(MAC, "10.0.0.9")
    attempts.give(MAC, "preseed.cfg")
    with pytest.raises(NotServed, match=r"belongs to 10\.0\.0\.9, and 10\.0\.0\.66 showed it"):
        attempts.show(MAC, "10.0.0.66")


def test_the_next_boot_gets_its_file_again_at_whatever_address() -> None:
    attempts = Attempts()
    attempts.show(MAC, "10.0.0.9")
    attempts.give(MAC, "preseed.cfg")
    attempts.discovered(MAC, 1000)
    attempts.show(MAC, "10.0.0.10")
    attempts.give(MAC, "preseed.cfg")


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MACHINES", 5)
    monkeypatch.setattr(module, "MAX_BOOTS", 5)
    attempts = Attempts()
    for number in range(50):
        mac = Mac(f"52:54:00:00:00:{number:02x}")
        attempts.discovered(mac, 1000)
        attempts.show(mac, "10.0.0.9")
        attempts.give(mac, "preseed.cfg")
    assert len(attempts.heard(1000)) == len(attempts._uses) == 5
