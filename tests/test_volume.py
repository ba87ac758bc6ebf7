"""An iSCSI volume's words: names, portals and the URI that iPXE is told."""

import pytest

from netboot.volume import (
    PORT,
    Volume,
    check_secret,
    initiator,
    parse_host,
    parse_iscsi_name,
    parse_portal,
)

IQN = "iqn.2026-01.com.example:disk1"


@pytest.mark.parametrize(
    "name",
    [
        IQN,
        "iqn.2001-04.com.example",
        "iqn.2001-04.com.example:storage.tape1.sys1.xyz",  # RFC 7143 section 4.2.7.4
        "iqn.2001-04.com.example:",
        "eui.02004567A425678D",
        "naa.52004567BA64678D",
        "naa.62004567BA64678D0123456789ABCDEF",
    ],
)
def test_names_of_every_kind_are_taken(name: str) -> None:
    assert parse_iscsi_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "disk1",
        "iqn.2026.com.example:disk1",
        "iqn.2026-13.com.example:disk1",
        "iqn.2026-01.:disk1",
        "iqn.2026-01.com.Example:disk1",
        "iqn.2026-01.com.example:my disk",
        "iqn.2026-01.com.example:${net0/mac}",
        "iqn.2026-01.com.example:disk1\n",
        f"iqn.2026-01.com.example:{'x' * 200}",
        "eui.02004567A425678",
        "naa.52004567BA64678D01",
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="iSCSI name"):
        parse_iscsi_name(name)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.5", "192.0.2.5", PORT),
        ("192.0.2.5:3261", "192.0.2.5", 3261),
        ("san.example.com", "san.example.com", PORT),
        ("san:860", "san", 860),
        ("[2001:db8::5]", "2001:db8::5", PORT),
        ("[2001:DB8:0::5]:3261", "2001:db8::5", 3261),
        ("2001:db8::5", "2001:db8::5", PORT),
    ],
)
def test_a_portal_is_a_host_and_perhaps_a_port(text: str, host: str, port: int) -> None:
    assert parse_portal(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":3260", "san:0", "san:65536", "san:x", "192.0.2.500", "[192.0.2.5]", "[::1", "a_b"),
        *("-a", "fe80::1%eth0", "[fe80::1%eth0]:3260", "[fe80::1%x || reboot]"),
    ],
)
def test_what_is_no_portal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is)"):
        parse_portal(text)


def test_a_name_of_a_host_has_bounds() -> None:
    assert parse_host(".".join(["a" * 63] * 3))
    with pytest.raises(ValueError, match="host name"):
        parse_host("a" * 64)


@pytest.mark.parametrize(
    ("volume", "uri"),
    [
        (Volume("v", IQN, "192.0.2.5"), f"iscsi:192.0.2.5::3260:1:{IQN}"),
        (Volume("v", IQN, "san", 860, 0), f"iscsi:san::860:0:{IQN}"),
        (Volume("v", IQN, "2001:db8::5", lun=10), f"iscsi:[2001:db8::5]::3260:a:{IQN}"),
        (Volume("v", IQN, "san", lun=255), f"iscsi:san::3260:ff:{IQN}"),
        (Volume("v", IQN, "san", lun=256), f"iscsi:san::3260:4100:{IQN}"),  # flat space
        (Volume("v", IQN, "san", lun=16_383), f"iscsi:san::3260:7fff:{IQN}"),
    ],
)
def test_the_uri_has_its_lun_in_hexadecimal(volume: Volume, uri: str) -> None:
    assert volume.uri == uri


def test_a_volume_does_not_show_its_secret() -> None:
    volume = Volume("v", IQN, "san", chap_user="n1", chap_secret="0123456789ab")  # noqa: S106 -- looked for
    assert "0123456789ab" not in repr(volume)


def test_a_node_logs_in_under_its_name_or_as_its_variable_says() -> None:
    assert parse_iscsi_name(initiator("n1")).endswith(":n1")
    assert initiator("n1", {"initiator_iqn": IQN}) == IQN
    with pytest.raises(ValueError, match="iSCSI name"):
        initiator("n1", {"initiator_iqn": "n1"})


@pytest.mark.parametrize("secret", ["x" * 11, "x" * 256, "x" * 11 + "\n", "x" * 11 + "é"])
def test_a_secret_that_cannot_be_one_is_refused_and_not_said(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^must") as caught:
        check_secret(secret)
    assert secret not in str(caught.value)
    check_secret("0123456789ab")
