"""The command in this process, as a shell would see it."""

import sys
from pathlib import Path

import pytest

from netboot.cli.main import main


class Cli:
    """Runs the command with one configuration file."""

    def __init__(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.file = file
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        line = ["netboot", "--config", str(self.file), *map(str, words)]
        self._monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err
