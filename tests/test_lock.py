"""Who has a data folder: one server, or one command after another."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netboot.control.lock import Held, lock_for_command, lock_to_serve
from netboot.errors import OperationError
from tests.waiting import await_

COMMANDS_THAT_FOLLOW_EACH_OTHER = """
import sys
from pathlib import Path
from netboot.control.lock import Held, lock_for_command

print("begun", flush=True)
while True:
    try:
        with lock_for_command(Path(sys.argv[1]), patience=0):
            pass
    except Held as problem:
        sys.exit(str(problem))
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "data" / "run"


@contextmanager
def serving(run_dir: Path) -> Iterator[threading.Event]:
    """Another thread that serves as soon as it can; the event is set while it does."""
    has_it, over = threading.Event(), threading.Event()

    def serve() -> None:
        with lock_to_serve(run_dir, patience=0.1):
            has_it.set()
            over.wait(60)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield has_it
    finally:
        over.set()
        thread.join(60)


def test_commands_that_follow_each_other_at_once_keep_no_server_from_starting(
    run_dir: Path,
) -> None:
    command = [sys.executable, "-c", COMMANDS_THAT_FOLLOW_EACH_OTHER, run_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as commands:
        assert commands.stdout is not None
        assert commands.stdout.readline() == b"begun\n"
        with lock_to_serve(run_dir):
            _, said = commands.communicate(timeout=60)
    own = f"{run_dir.parent} is in use by process {os.getpid()}: netboot runs there already"
    assert own in said.decode()


def test_a_server_waits_for_a_command_and_names_it_and_no_other_comes_between(
    run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "netboot.control.lock")
    command = lock_for_command(run_dir)
    command.__enter__()
    with serving(run_dir) as serves:
        await_(lambda: caplog.messages, "word of what it waits for")
        with (
            pytest.raises(Held, match=r"process \d+: netboot runs there already"),
            lock_for_command(run_dir, patience=0.1),
        ):
            pytest.fail("a command came before a server that waits")
        assert not serves.is_set()
        command.__exit__(None, None, None)
        assert serves.wait(60)
    said = f"process {os.getpid()} has the data folder, a netboot command: waiting for it"
    assert caplog.messages == [said]
    with lock_for_command(run_dir):
        pass


def test_a_second_server_and_a_second_command_are_told_who_has_it(run_dir: Path) -> None:
    here = f"{run_dir.parent} is in use by process {os.getpid()}"
    with lock_to_serve(run_dir):
        for second in (lock_to_serve, lock_for_command):
            with pytest.raises(Held) as told, second(run_dir, 0.1):
                pytest.fail("two have one data folder")
            assert str(told.value) == f"{run_dir}/serving: {here}: netboot runs there already"
    with lock_for_command(run_dir):
        with pytest.raises(Held) as told, lock_for_command(run_dir, 0.1):
            pytest.fail("two commands have one data folder")
        assert str(told.value) == f"{run_dir}/lock: {here}, a netboot command"


def test_a_command_makes_no_file_that_only_a_server_s_user_should_own(run_dir: Path) -> None:
    with lock_for_command(run_dir):
        assert [path.name for path in run_dir.iterdir()] == ["lock"]


@pytest.mark.parametrize("name", ["lock", "serving"])
def test_no_other_file_is_emptied_by_way_of_a_link(
    run_dir: Path, tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    run_dir.mkdir(parents=True)
    (run_dir / name).symlink_to(precious)
    with (
        pytest.raises(OperationError, match=f"run/{name}: cannot be opened: "),
        lock_to_serve(run_dir),
    ):
        pytest.fail("a link was followed")
    assert precious.read_text() == "x"
