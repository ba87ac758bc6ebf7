"""OVMF's variables as a file, with one more key whose programs its firmware starts.

The file is a firmware volume of variables, one behind the other from ``_FIRST`` on, each aligned to
4 bytes (EDK2's AUTHENTICATED_VARIABLE_HEADER): a header of 60 bytes, its name, its value. A
variable is changed by marking it deleted and writing it once more, behind the last.
"""

import struct

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_FIRST = 0x64
_HEADER = struct.Struct("<HBxI28sII16s")
"""StartId, state, attributes, counts and time, sizes of name and value, whose variable it is."""
_BEGINS, _THERE, _DELETED = 0x55AA, 0x3F, 0x3C
_LIST = struct.Struct("<16sIII16s")
"""EFI_SIGNATURE_LIST and whose entry its only one is (UEFI 2.10 section 32.4.1)."""
_X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
_OWNER = bytes(16)


def trusting(variables: bytes, certificate: x509.Certificate) -> bytes:
    """The same variables, with a certificate more in ``db``."""
    der = certificate.public_bytes(Encoding.DER)
    entry = len(_OWNER) + len(der)
    more = _LIST.pack(_X509, _LIST.size - len(_OWNER) + entry, 0, entry, _OWNER) + der
    changed, at, found = bytearray(variables), _FIRST, b""
    while True:
        begins, state, attributes, counts, named, size, whose = _HEADER.unpack_from(changed, at)
        if begins != _BEGINS:
            break
        value = at + _HEADER.size + named
        name = bytes(changed[at + _HEADER.size : value])
        if state == _THERE and name.decode("utf-16-le") == "db\0":
            changed[at + 2] = _DELETED
            head = begins, state, attributes, counts, named, size + len(more), whose
            found = _HEADER.pack(*head) + name + changed[value : value + size] + more
        at = value + size + -(value + size) % 4
    assert found
    changed[at : at + len(found)] = found
    return bytes(changed)
