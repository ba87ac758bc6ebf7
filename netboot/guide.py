"""Where a line that says what is wrong sends its reader for the rest of the story."""

PAGE = "docs/troubleshooting.md"


def see(anchor: str) -> str:
    """The end of such a line; ``anchor`` is a section of ``PAGE``."""
    return f"see {PAGE}#{anchor}"
