"""Any text of a file: a reader gives a reading or a ConfigError. What is written, it reads."""

import json
import re

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netboot.answer.profiles import load_profiles
from netboot.errors import ConfigError
from netboot.migrate import names
from netboot.migrate.files import Files, Source
from netboot.migrate.formats import READERS, Format, detect
from netboot.migrate.nodes import Wish, make_plan
from netboot.store.words import HOST_LABEL

PIECES = (
    *"{}[]();,:=#\"'\\\n\n  -*&!|>%",
    *(
        "dhcp-host=",
        "dhcp-mac=set:a,",
        "dhcp-boot=tag:a,",
        "conf-file=/nowhere",
        "id:01:",
        "ignore",
    ),
    *(
        "host a ",
        "hardware ethernet ",
        "group ",
        "subnet 1 ",
        "filename ",
        'include "/nowhere"',
        "uid ",
    ),
    *('"Dhcp4"', '"reservations"', '"hw-address"', '"client-id"', '<?include "/nowhere"?>', "null"),
    *(
        "LABEL a",
        "KERNEL b",
        "APPEND c",
        "DEFAULT a",
        '"selector"',
        '"mac"',
        '"uuid"',
        '"metadata"',
    ),
    *("kind: BareMetalHost", "metadata:", "spec:", "bmc:", "hosts:", "interfaces:", "- ", "---\n"),
    *(
        "52:54:00:00:00:01",
        "01-52-54-00-00-00-01",
        "ff:ff:ff:ff:ff:ff",
        "10.0.0.1",
        '"\\ud800"',
        "\0",
    ),
)
HOSTILE = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES)).map("".join))

MACS = st.integers(0, 2**40 - 1).map(lambda n: f"02:{n.to_bytes(5).hex(':')}")
NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8})?", re.ASCII), fullmatch=True)
MACHINES = st.lists(
    st.tuples(NAMES, MACS), unique_by=(lambda pair: pair[0], lambda pair: pair[1]), max_size=6
)


@pytest.mark.parametrize("kind", READERS)
@given(written=HOSTILE, name=st.sampled_from(["file", "01-52-54-00-00-00-01", "default"]))
@settings(deadline=None, max_examples=150)
@example(written="{" * 1000, name="file")
@example(written="- " * 1000, name="file")
def test_a_reader_raises_nothing_but_config_errors(kind: Format, written: str, name: str) -> None:
    try:
        reading = READERS[kind]([Source(name, written)], Files())
    except ConfigError:
        return
    plan = make_plan(reading, (), Wish(None, {}), load_profiles(), name)
    assert all(re.match(HOST_LABEL, row.node.name) for row in plan.rows)


@given(HOSTILE)
@settings(deadline=None)
def test_telling_the_format_raises_nothing_but_config_errors(written: str) -> None:
    try:
        detect([Source("file", written)], "file")
    except ConfigError:
        return


@given(st.text(max_size=100))
@settings(deadline=None)
def test_a_name_becomes_a_host_label_or_nothing_and_stays_what_it_became(written: str) -> None:
    label = names.host_label(written)
    assert not label or re.match(HOST_LABEL, label)
    assert names.host_label(label) == label


def dnsmasq(machines: list[tuple[str, str]]) -> list[Source]:
    return [Source("f", "".join(f"dhcp-host={mac},{name},10.0.0.1\n" for name, mac in machines))]


def isc(machines: list[tuple[str, str]]) -> list[Source]:
    hosts = (f"host {name} {{\n hardware ethernet {mac}; }} # x\n" for name, mac in machines)
    return [Source("f", f"group {{ {''.join(hosts)} }}")]


def kea(machines: list[tuple[str, str]]) -> list[Source]:
    hosts = [{"hw-address": mac, "hostname": name} for name, mac in machines]
    return [Source("f", json.dumps({"Dhcp4": {"subnet4": [{"reservations": hosts}]}}))]


def pxelinux(machines: list[tuple[str, str]]) -> list[Source]:
    return [
        Source(f"01-{mac.replace(':', '-')}", f"LABEL a\nKERNEL b\nAPPEND hostname={name}\n")
        for name, mac in machines
    ]


def matchbox(machines: list[tuple[str, str]]) -> list[Source]:
    groups = ({"id": name, "selector": {"mac": mac}} for name, mac in machines)
    return [Source("f", json.dumps(group)) for group in groups]


def metal3(machines: list[tuple[str, str]]) -> list[Source]:
    hosts = (
        {"kind": "BareMetalHost", "metadata": {"name": name}, "spec": {"bootMACAddress": mac}}
        for name, mac in machines
    )
    return [Source("f", yaml.safe_dump_all(hosts))]


def agent_config(machines: list[tuple[str, str]]) -> list[Source]:
    hosts = [{"hostname": name, "interfaces": [{"macAddress": mac}]} for name, mac in machines]
    return [Source("f", yaml.safe_dump({"kind": "AgentConfig", "hosts": hosts}))]


WRITTEN = {
    Format.DNSMASQ: dnsmasq,
    Format.ISC: isc,
    Format.KEA: kea,
    Format.PXELINUX: pxelinux,
    Format.MATCHBOX: matchbox,
    Format.METAL3: metal3,
    Format.AGENT_CONFIG: agent_config,
}


def test_every_reader_has_a_writer() -> None:
    assert WRITTEN.keys() == READERS.keys()


@pytest.mark.parametrize("kind", WRITTEN)
@given(machines=MACHINES)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read(kind: Format, machines: list[tuple[str, str]]) -> None:
    reading = READERS[kind](WRITTEN[kind](machines), Files())
    found = [(one.name or one.hostname, *one.macs) for one in reading.machines]
    assert found == machines
