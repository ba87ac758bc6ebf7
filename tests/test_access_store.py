"""Tokens, logins and the audit log as the store keeps them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.errors import ConfigError, OperationError
from netboot.store import audit, tokens
from netboot.store.access_shapes import (
    MAX_NAMED,
    MAX_TARGET,
    Role,
    Token,
    TokenEntry,
    Written,
    target_of,
)
from netboot.store.shapes import Conflict, Unknown
from netboot.store.store import Store

NOW = 1_000_000.0
DAY = 24 * 3600.0


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        yield opened


def made(store: Store, name: str, role: Role = Role.READ, days: int | None = None) -> str:
    return store.add_token(TokenEntry(name=name, role=role, expires_days=days), NOW).secret


@pytest.mark.parametrize(
    ("role", "covered"),
    [
        (Role.READ, [Role.READ]),
        (Role.OPERATE, [Role.READ, Role.OPERATE]),
        (Role.ADMIN, [Role.READ, Role.OPERATE, Role.ADMIN]),
    ],
)
def test_a_role_may_do_what_lesser_ones_may(role: Role, covered: list[Role]) -> None:
    assert [needed for needed in Role if role.covers(needed)] == covered


class TestTokens:
    def test_a_secret_is_known_again(self, store: Store) -> None:
        secret = made(store, "ci", Role.OPERATE)
        assert store.whose_token(secret, NOW) == Token("ci", Role.OPERATE, NOW)
        assert store.whose_token(secret[:-1], NOW) is None
        assert store.whose_token("", NOW) is None
        assert store.whose_token("\udc80", NOW) is None

    def test_at_rest_there_is_the_hash_alone(self, tmp_path: Path) -> None:
        with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
            secret = made(store, "ci")
            login, _ = store.log_in(store.tokens()[0], NOW)
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for one in (secret, login):
            assert one.encode() not in kept
            assert one.removeprefix(tokens.PREFIX).encode() not in kept
            assert hashlib.sha256(one.encode()).digest() in kept

    def test_a_secret_has_256_bits_and_is_new_each_time(self, store: Store) -> None:
        secrets = {made(store, f"t{number}") for number in range(8)}
        assert len(secrets) == 8
        assert {len(one.removeprefix(tokens.PREFIX)) for one in secrets} == {43}  # of 6 bits

    def test_one_expires_when_it_was_told_to(self, store: Store) -> None:
        secret = made(store, "ci", days=2)
        assert store.whose_token(secret, NOW + 2 * DAY - 1) is not None
        assert store.whose_token(secret, NOW + 2 * DAY) is None
        assert store.tokens()[0].expires == NOW + 2 * DAY

    def test_one_that_was_removed_opens_nothing(self, store: Store) -> None:
        secret = made(store, "ci")
        store.remove_token("ci")
        assert store.whose_token(secret, NOW) is None
        with pytest.raises(Unknown, match='no token is called "ci"'):
            store.remove_token("ci")

    def test_a_name_is_one_token_s(self, store: Store) -> None:
        made(store, "ci")
        with pytest.raises(Conflict, match='a token is called "ci" already'):
            made(store, "ci", Role.ADMIN)

    def test_there_is_a_bound(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
        made(store, "a")
        made(store, "b")
        with pytest.raises(ConfigError, match="there are 2 tokens; no more fit"):
            made(store, "c")


class TestFirstToken:
    def test_it_is_an_admin_s_and_made_once(self, store: Store) -> None:
        kept: list[str] = []
        assert store.first_token(kept.append, NOW)
        assert store.whose_token(kept[0], NOW) == Token("admin", Role.ADMIN, NOW)
        assert not store.first_token(kept.append, NOW)
        assert len(kept) == 1

    def test_any_token_is_enough(self, store: Store) -> None:
        made(store, "ci")
        assert not store.first_token(pytest.fail, NOW)

    def test_one_that_cannot_be_kept_is_not_made(self, store: Store) -> None:
        def keep(_secret: str) -> None:
            raise OperationError("the disk is full")

        with pytest.raises(OperationError):
            store.first_token(keep, NOW)
        assert store.tokens() == []


class TestLogins:
    def test_one_lasts_a_working_day(self, store: Store) -> None:
        made(store, "ci")
        secret, ends = store.log_in(store.tokens()[0], NOW)
        assert ends == NOW + tokens.LOGIN_SECONDS
        assert store.whose_login(secret, ends - 1) == store.tokens()[0]
        assert store.whose_login(secret, ends) is None

    def test_one_lasts_no_longer_than_its_token(self, store: Store) -> None:
        made(store, "ci", days=1)
        secret, ends = store.log_in(store.tokens()[0], NOW + DAY - 60)
        assert ends == NOW + DAY
        assert store.whose_login(secret, ends) is None

    def test_one_ends_with_its_token(self, store: Store) -> None:
        made(store, "ci")
        secret, _ = store.log_in(store.tokens()[0], NOW)
        store.remove_token("ci")
        made(store, "ci")
        assert store.whose_login(secret, NOW) is None

    def test_one_that_was_ended_is_over(self, store: Store) -> None:
        made(store, "ci")
        secret, _ = store.log_in(store.tokens()[0], NOW)
        store.log_out(secret)
        store.log_out(secret)
        assert store.whose_login(secret, NOW) is None

    def test_a_login_is_no_token_and_a_token_no_login(self, store: Store) -> None:
        secret = made(store, "ci")
        login, _ = store.log_in(store.tokens()[0], NOW)
        assert store.whose_token(login, NOW) is None
        assert store.whose_login(secret, NOW) is None

    def test_the_oldest_makes_room(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tokens, "MAX_LOGINS", 3)
        made(store, "ci")
        token = store.tokens()[0]
        logins = [store.log_in(token, NOW + number)[0] for number in range(5)]
        known = [store.whose_login(secret, NOW + 5) is not None for secret in logins]
        assert known == [False, False, True, True, True]


def written(target: str = "n1") -> Written:
    return Written("ci", "192.0.2.7", "PATCH", "/api/v1/nodes/{name}", target, "f" * 16)


class TestAudit:
    def test_a_write_is_there_before_it_is_done(self, store: Store) -> None:
        number = store.audit_begun(written())
        assert [(one.id, one.who, one.status) for one in store.audit()] == [(number, "ci", None)]
        store.audit_ended(number, 200, "n1")
        assert store.audit()[0].status == 200

    def test_the_newest_come_first_a_page_at_a_time(self, store: Store) -> None:
        numbers = [store.audit_begun(written()) for _ in range(5)]
        assert [one.id for one in store.audit(2)] == [numbers[4], numbers[3]]
        assert [one.id for one in store.audit(9, numbers[3])] == numbers[2::-1]

    def test_the_oldest_go(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "MAX_AUDIT", 3)
        numbers = [store.audit_begun(written()) for _ in range(5)]
        assert [one.id for one in store.audit()] == numbers[:1:-1]

    def test_a_target_has_a_bound(self, store: Store) -> None:
        number = store.audit_begun(written("x" * 999))
        store.audit_ended(number, 200, "y" * 999)
        assert store.audit()[0].target == "y" * MAX_TARGET

    def test_it_outlives_the_tokens(self, store: Store) -> None:
        made(store, "ci")
        store.audit_begun(written())
        store.remove_token("ci")
        assert store.audit()[0].who == "ci"


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("n1", "n1"),
        (["n1", "n2"], "n1, n2"),
        ({"name": "n1", "macs": ["52:54:00:00:00:01"]}, "n1"),
        ([{"name": "n1"}, {"name": "n2"}], "n1, n2"),
        ({"names": ["n1"], "reinstall": True}, "n1"),
        ({"kind": "install", "nodes": ["n1", "n2"]}, "n1, n2"),
        ({"kind": "install", "label": {"rack": "3"}}, "rack=3"),
        (["n"] * (MAX_NAMED + 2), ", ".join(["n"] * MAX_NAMED) + " and 2 more"),
        ({"token": "netboot_secret"}, ""),
        ([[["n1"]]], ""),
        (None, ""),
        (7, "7"),
        (0.5, ""),
    ],
)
def test_what_a_write_is_about_is_read_off_its_body(given: object, target: str) -> None:
    assert target_of(given) == target
