"""What was dropped is said by reason, once a minute."""

from collections import Counter

from netboot.boot.drops import MAX_REASONS, REPORT_SECONDS, DropReport


def test_each_minute_says_what_is_new_in_it() -> None:
    dhcp, tftp = Counter[str](), Counter[str]()
    report = DropReport([dhcp, tftp])
    assert report.line(0) is None
    dhcp["dhcp: no magic cookie"] += 3
    tftp["tftp: no opcode"] += 5
    assert report.line(REPORT_SECONDS - 1) is None
    said = "dropped in the last minute: 5 x tftp: no opcode, 3 x dhcp: no magic cookie"
    assert report.line(REPORT_SECONDS) == said
    tftp["tftp: no opcode"] += 1
    assert report.line(2 * REPORT_SECONDS) == "dropped in the last minute: 1 x tftp: no opcode"


def test_nothing_dropped_is_no_line() -> None:
    report = DropReport([Counter(), Counter()])
    assert [report.line(second) for second in range(0, 1000, 10)] == [None] * 100


def test_however_many_reasons_it_is_one_short_line() -> None:
    drops = Counter[str]()
    report = DropReport([drops])
    report.line(0)
    drops.update({f"reason {number}": 1 for number in range(100)})
    said = report.line(REPORT_SECONDS)
    assert said is not None
    assert said.endswith(f"and {100 - MAX_REASONS} more reasons")
    assert len(said) < 300
