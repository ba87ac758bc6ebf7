"""What a line that says what is wrong sends its reader to: a page, a command."""

from netboot.model import Arch, Mac

PAGE = "docs/troubleshooting.md"
_USUAL_INSTALLER = "debian-12"
_INSTALLERS: dict[str | int | None, str] = {
    Arch.ARM64: "debian-13-arm64",
    Arch.ARM64_HTTP: "debian-13-arm64",
}


def see(anchor: str) -> str:
    """The end of such a line; ``anchor`` is a section of ``PAGE``."""
    return f"see {PAGE}#{anchor}"


def why(error: OSError) -> str:
    """The system's own words, and what to do where only rights are missing."""
    said = error.strerror or str(error)
    return f"{said}; use sudo" if isinstance(error, PermissionError) else said


def to_install(mac: Mac, arch: str | int | None) -> str:
    """The command that registers an unknown machine, with an installer of its architecture.

    Args:
        mac: its address.
        arch: its DHCP option 93, as events have it; None where it is not known.
    """
    profile = _INSTALLERS.get(arch, _USUAL_INSTALLER)
    return f"netboot node add NAME --mac {mac} --profile {profile}"
