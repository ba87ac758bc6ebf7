"""``python -m netboot``: the command without its installed name."""

from netboot.cli import main

main()
