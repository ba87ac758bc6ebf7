"""The words nodes and groups are written in: what each of them may be, and its bound.

The descriptions are what a person is told is allowed (``netboot.checked``).
"""

from typing import Annotated, Literal

from msgspec import Meta

MAX_MACS = 64
MAX_LABELS = 64
MAX_VARS = 256
"""Each per node."""
MAX_NODES = 100_000
"""In one store: a snapshot is sent whole."""

HOST_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"

HostLabel = Annotated[
    str,
    Meta(
        pattern=HOST_LABEL,
        description="a host name without dots: 1 to 63 lower-case letters, digits and inner -",
    ),
]
MacText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f]{2}([:-]?)([0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}\Z",
        description="a MAC address such as 52:54:00:12:34:56",
    ),
]
Macs = Annotated[
    tuple[MacText, ...],
    Meta(
        max_length=MAX_MACS,
        description=f"a list of at most {MAX_MACS} MAC addresses such as 52:54:00:12:34:56",
    ),
]
ProfileName = Annotated[str, Meta(min_length=1, max_length=63, description="a profile's name")]
LoaderName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*\Z",
        max_length=64,  # it goes into a DHCP field of 128 bytes
        description="a loader's name such as ipxe.efi or arm64/ipxe.efi",
    ),
]
NewProfile = Annotated[
    str, Meta(max_length=63, description='a profile\'s name, or "" for what its groups give')
]
NewLoader = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*)?\Z",
        max_length=64,
        description="a loader's name such as ipxe.efi, or \"\" for its architecture's own",
    ),
]
LabelKey = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?\Z",
        description="a label: 1 to 63 letters, digits and inner . _ / -",
    ),
]
LabelValue = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9._-]{0,63})\Z",
        description="a label's value: at most 63 letters, digits and . _ -",
    ),
]
VarName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}\Z",
        description="a variable's name: a letter or _, then letters, digits and _, at most 63",
    ),
]
VarValue = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,4096}\Z",
        description="one line of at most 4096 printable characters",
    ),
]


YesOrNo = bool | Literal["true", "false"]
"""As words where it stands in YAML, every value of which is text to us."""

Labels = Annotated[
    dict[LabelKey, LabelValue],
    Meta(max_length=MAX_LABELS, description=f"a table of at most {MAX_LABELS} labels"),
]
Vars = Annotated[
    dict[VarName, VarValue],
    Meta(max_length=MAX_VARS, description=f"a table of at most {MAX_VARS} variables"),
]
