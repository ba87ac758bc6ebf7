"""The least that a BIOS starts: a boot sector that says something, and a CD with it."""

SECTOR, CD_SECTOR = 512, 2048
_MESSAGE = 0x30
_SAY = bytes.fromhex(
    "fa 31c0 8ed8 be307c baf803"  # the message at 7C30, to the serial line at 3F8
    "ac 84c0 7403 ee ebf8"  # each byte until a zero
)
_STOP = bytes.fromhex("f4 ebfd")
_REBOOT = bytes.fromhex(
    "bb0004 31c9 e2fe 4b 75f9"  # not before it has worked as long as a small system does
    "b0fe e664 f4 ebfd"  # by the keyboard controller, as an AT does
)


def boot_sector(message: str, *, reboots: bool = False) -> bytes:
    """512 bytes that write ``message`` to the serial line, and then stop or reboot."""
    code = _SAY + (_REBOOT if reboots else _STOP)
    sector = code.ljust(_MESSAGE, b"\0") + message.encode("ascii") + b"\0"
    return sector.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def cd(message: str) -> bytes:
    """An image whose El Torito entry is that boot sector."""
    catalogue = bytearray(b"\x01\0\0\0".ljust(30, b"\0") + b"\x55\xaa")
    words = range(0, 32, 2)
    total = sum(int.from_bytes(catalogue[at : at + 2], "little") for at in words)
    catalogue[28:30] = (-total & 0xFFFF).to_bytes(2, "little")
    catalogue += b"\x88\0\0\0\0\0\x01\0" + (20).to_bytes(4, "little")
    record = b"\0CD001\x01EL TORITO SPECIFICATION".ljust(0x47, b"\0") + (19).to_bytes(4, "little")
    sectors = [b""] * 16
    sectors += [b"\x01CD001\x01", record, b"\xffCD001\x01", bytes(catalogue), boot_sector(message)]
    return b"".join(sector.ljust(CD_SECTOR, b"\0") for sector in sectors + [b""] * 12)
