"""``python -m netboot.control --config F``: the control program alone."""

import argparse
import logging
import sys
from pathlib import Path

from netboot import config
from netboot.control.main import run
from netboot.errors import ConfigError, NetbootError


def main() -> int:
    """Serve; the exit code is 0 after SIGTERM, 2 for bad configuration, 1 for a failure."""
    parser = argparse.ArgumentParser(prog="python -m netboot.control", description=__doc__)
    parser.add_argument("--config", type=Path, help="the configuration file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        run(config.load(arguments.config))
    except NetbootError as error:
        print(f"netboot: {error}", file=sys.stderr)  # noqa: T201 -- the one line a person gets
        return 2 if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
