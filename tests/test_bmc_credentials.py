"""Where a BMC's password is, and that nothing but the BMC learns it."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.bmc import credentials
from netboot.bmc.credentials import MAX_PASSWORD, Safe, check_source, password, read, said
from netboot.bmc.model import Secret
from netboot.errors import OperationError

SECRET = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be
SAFE = Safe(bytes(range(32)))


class TestSealed:
    @given(st.text(min_size=1))
    def test_it_opens_to_what_was_sealed_and_shows_nothing_of_it(self, text: str) -> None:
        text = text.encode(errors="ignore").decode() or "x"
        sealed = SAFE.seal("n1", Secret(text))
        assert SAFE.open("n1", sealed).reveal() == text
        assert len(text) < 4 or text.encode() not in sealed

    def test_the_same_password_is_sealed_otherwise_each_time(self) -> None:
        assert SAFE.seal("n1", Secret(SECRET)) != SAFE.seal("n1", Secret(SECRET))

    @pytest.mark.parametrize(
        ("safe", "node", "damage"),
        [
            (Safe(bytes(32)), "n1", b""),
            (SAFE, "n2", b""),
            (SAFE, "n1", b"x"),
        ],
        ids=["another key", "another node", "damaged"],
    )
    def test_it_opens_for_its_node_with_its_key_alone(
        self, safe: Safe, node: str, damage: bytes
    ) -> None:
        sealed = SAFE.seal("n1", Secret(SECRET)) + damage
        with pytest.raises(OperationError, match="say the password again") as refused:
            safe.open(node, sealed)
        assert SECRET not in str(refused.value)

    @pytest.mark.parametrize("sealed", [b"", b"\x01", bytes(12), bytes(40)])
    def test_what_was_never_sealed_is_refused(self, sealed: bytes) -> None:
        with pytest.raises(OperationError, match=r"bmc\.key does not open"):
            SAFE.open("n1", sealed)

    def test_the_safe_does_not_show_its_key(self) -> None:
        assert repr(SAFE) == "Safe(key=…)"


class TestPassword:
    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_it_is_a_line_without_its_end(self, end: str) -> None:
        assert password(f"{SECRET}{end}") == Secret(SECRET)

    def test_spaces_are_its_own(self) -> None:
        assert password(" a b \n").reveal() == " a b "

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "is empty"),
            ("\n", "is empty"),
            (f"{SECRET}\n\n", "more than one line"),
            (f"{SECRET}\x00", "do not print"),
            (SECRET * 100, "longer than 1024 bytes"),
        ],
    )
    def test_what_is_none_is_refused_and_not_repeated(self, text: str, problem: str) -> None:
        with pytest.raises(ValueError, match=problem) as refused:
            password(text)
        assert SECRET not in str(refused.value)


class TestSource:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("file:/etc/netboot/bmc.pass", "file:/etc/netboot/bmc.pass"),
            ("env:BMC_PASSWORD", "env:BMC_PASSWORD"),
            ("command:vault kv get -field=p bmc/n1", "command:vault …"),
            ("command:/usr/local/bin/bmc-password", "command:/usr/local/bin/bmc-password"),
        ],
    )
    def test_each_form_is_taken_and_shown_without_arguments(self, source: str, shown: str) -> None:
        check_source(source)
        assert said(source) == shown

    @pytest.mark.parametrize(
        "source",
        [
            SECRET,
            f"plain:{SECRET}",
            "file:relative",
            "env:A-B",
            "command: ",
            "file:/a\nb",
            "vault:x",
        ],
    )
    def test_another_is_refused_and_not_repeated(self, source: str) -> None:
        with pytest.raises(ValueError, match=r"^must be file:/PATH, env:NAME or command:LINE$"):
            check_source(source)

    def test_an_open_quote_is_refused(self) -> None:
        with pytest.raises(ValueError, match="quotes are closed"):
            check_source(f"command:echo '{SECRET}")


class TestRead:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "pass").write_text(f"{SECRET}\n")
        assert read(f"file:{tmp_path}/pass") == Secret(SECRET)

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BMC_PASSWORD", SECRET)
        assert read("env:BMC_PASSWORD") == Secret(SECRET)

    def test_a_command_without_a_shell(self) -> None:
        assert read("command:echo $HOME 'a  b' > /dev/null").reveal() == "$HOME a  b > /dev/null"

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("file:/nowhere/pass", "file:/nowhere/pass: cannot be read: No such file"),
            ("env:NOT_SET_ANYWHERE", "env:NOT_SET_ANYWHERE: is not set"),
            ("command:/nowhere/vault", "command:/nowhere/vault: cannot be run: No such file"),
            ("command:false", "command:false: ended with exit status 1"),
            ("command:true", "command:true: is empty"),
            ("command:yes", f"command:yes: is longer than {MAX_PASSWORD} bytes"),
            (r"command:printf \\377", "command:printf …: is not UTF-8"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, source: str, problem: str) -> None:
        with pytest.raises(OperationError, match=f"^the BMC's password, {problem}"):
            read(source)

    def test_a_command_that_fails_says_nothing_of_what_it_printed(self) -> None:
        script = f"import sys; print('{SECRET}'); sys.exit('{SECRET}')"
        with pytest.raises(OperationError) as refused:
            read(f'command:{sys.executable} -c "{script}"')
        assert SECRET not in str(refused.value)

    def test_a_command_that_hangs_is_ended_with_its_children(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(credentials, "COMMAND_TIMEOUT", 0.1)
        with pytest.raises(OperationError, match="did not end within"):
            read("command:sh -c 'sleep 600 & sleep 600'")
