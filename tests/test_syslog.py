"""Lines of a log as installers send them, and anything else a network can send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.errors import MalformedPacket
from netboot.wire.syslog import MAX_TEXT, Line, Severity, parse

USER, DAEMON = 1, 3
WARNING, NOTICE, INFO = Severity.WARNING, Severity.NOTICE, Severity.INFO
SELECTED = "INFO: Menu item 'partman-base' selected"


@pytest.mark.parametrize(
    ("datagram", "line"),
    [
        # as debian-installer sends it: no host
        (
            f"<30>Nov 21 18:05:09 main-menu[147]: {SELECTED}\n",
            Line(DAEMON, INFO, "main-menu", SELECTED),
        ),
        ("<13>Jan  1 00:00:07 netboot: no disk", Line(USER, NOTICE, "netboot", "no disk")),
        ("<4>Jan  1 00:00:07 kernel: [  1.0] hot", Line(0, WARNING, "kernel", "[  1.0] hot")),
        # RFC 3164 section 5.4
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            Line(4, Severity.CRITICAL, "su", "'su root' failed"),
        ),
        ("<165>Aug 24 05:34:00 host prog[1]:", Line(20, NOTICE, "prog", "")),
        ("<13>no time: hello", Line(USER, NOTICE, "time", "hello")),
        ("<13>tag: hello", Line(USER, NOTICE, "tag", "hello")),
        ("<0>", Line(0, Severity.EMERGENCY, "", "")),
        ("<13>just words and no tag", Line(USER, NOTICE, "", "just words and no tag")),
        ("<13>Nov 21 18:05:09 words", Line(USER, NOTICE, "", "words")),
        # RFC 5424 section 6.5
        (
            "<34>1 2003-10-11T22:14:15.003Z host.example su - ID47 - \ufeff'su root' failed",
            Line(4, Severity.CRITICAL, "su", "'su root' failed"),
        ),
        (
            '<165>1 - host - 8710 - [a@1 k="v" q="a\\"\\]b"][b@1] said',
            Line(20, NOTICE, "", "said"),
        ),
        ("<165>1 - - evntslog - - [a@1]", Line(20, NOTICE, "evntslog", "")),
        ("<14>1 - - subiquity - - -", Line(USER, INFO, "subiquity", "")),
        # a time that is no RFC 5424
        ("<14>1 more thing", None),
        ('<14>1 - - p - - [a@1 k="v] open', None),
        ("<192>Nov 21 18:05:09 p: x", None),
        ("<007>p: x", None),
        ("<-1>p: x", None),
        ("<1", None),
        ("", None),
        ("no priority", None),
    ],
)
def test_each_form_in_use(datagram: str, line: Line | None) -> None:
    if line is None:
        with pytest.raises(MalformedPacket):
            parse(datagram.encode())
    else:
        assert parse(datagram.encode()) == line


def test_what_is_no_utf8_is_shown_as_such() -> None:
    assert parse(b"<13>p: \xff\xfe").text == "\ufffd\ufffd"


def test_a_line_has_an_end() -> None:
    assert parse(b"<13>p: " + b"x" * 65_000).text == "x" * MAX_TEXT


PIECES = st.sampled_from(
    [
        *(b"<13>", b"<191>", b"<999>", b"Nov 21 18:05:09 ", b"host ", b"p[1]: ", b": ", b"x"),
        *(b"1 ", b"- ", b"[a@1 k=", b'"', b"\\", b"] ", b"]", b"[", b"\n", b"\0", b"\xff"),
    ]
)


@given(st.binary(max_size=400) | st.lists(PIECES, max_size=40).map(b"".join))
def test_anything_is_a_line_or_malformed(datagram: bytes) -> None:
    try:
        line = parse(datagram)
    except MalformedPacket as problem:
        assert str(problem) in {  # noqa: PT017 -- which of the two it was does not matter here
            "syslog: no valid priority",
            "syslog: not RFC 5424 after its version",
        }
        return
    assert 0 <= line.facility <= 23
    assert len(line.text) <= MAX_TEXT
    assert len(line.program) <= 48


@given(
    facility=st.integers(0, 23),
    severity=st.sampled_from(Severity),
    program=st.from_regex(r"\A[a-z][a-z0-9-]{0,30}\Z"),
    text=st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=100),
)
def test_what_was_said_comes_back(
    facility: int, severity: Severity, program: str, text: str
) -> None:
    text = text.removeprefix("\ufeff")
    head = f"<{facility * 8 + severity}>"
    line = Line(facility, severity, program, text)
    assert parse(f"{head}Nov 21 18:05:09 {program}[7]: {text}".encode()) == line
    assert parse(f"{head}1 - host {program} 7 - - {text}".encode()) == line
