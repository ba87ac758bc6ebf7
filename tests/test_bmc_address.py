"""Where a BMC is, from one line of text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.bmc.address import Address, parse_address

MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redfish://bmc1", Address("redfish", "bmc1", 443, tls=True)),
        ("command:rack-3.strip", Address("command", "rack-3.strip")),
        ("redfish://192.0.2.7:8443", Address("redfish", "192.0.2.7", 8443, tls=True)),
        ("redfish+https://bmc1/", Address("redfish", "bmc1", 443, tls=True)),
        ("redfish+http://bmc1:8000", Address("redfish", "bmc1", 8000)),
        ("redfish+http://[2001:DB8::1]", Address("redfish", "2001:db8::1", 80)),
        (
            "redfish://BMC1.Example/redfish/v1/Systems/System.Embedded.1/",
            Address(
                *("redfish", "bmc1.example", 443),
                tls=True,
                system="/redfish/v1/Systems/System.Embedded.1",
            ),
        ),
        ("redfish://bmc1/redfish/v1", Address("redfish", "bmc1", 443, tls=True)),
        ("ipmi://192.0.2.7", Address("ipmi", "192.0.2.7", 623)),
        ("ipmi://bmc1:6230", Address("ipmi", "bmc1", 6230)),
        ("wol:", Address("wol", port=9)),
        ("wol:52-54-00-00-00-01", Address("wol", port=9, mac=MAC)),
        ("manual:", Address("manual")),
    ],
)
def test_our_own_forms(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "flavour", "tls"),
    [
        ("redfish-virtualmedia://bmc1/redfish/v1/Systems/1", "redfish-virtualmedia", True),
        ("redfish-virtualmedia+https://bmc1/redfish/v1/Systems/1", "redfish-virtualmedia", True),
        ("redfish-virtualmedia+http://bmc1/redfish/v1/Systems/1", "redfish-virtualmedia", False),
        ("idrac-virtualmedia://bmc1/redfish/v1/Systems/1", "idrac-virtualmedia", True),
        ("ilo5-virtualmedia://bmc1/redfish/v1/Systems/1", "ilo5-virtualmedia", True),
        ("ilo4-virtualmedia://bmc1/redfish/v1/Systems/1", "ilo4-virtualmedia", True),
        ("ilo5-redfish://bmc1/redfish/v1/Systems/1", "ilo5-redfish", True),
    ],
)
def test_metal3s_forms_paste_in_as_they_are(text: str, flavour: str, tls: bool) -> None:
    found = parse_address(text)
    assert (found.scheme, found.host, found.flavour, found.tls) == ("redfish", "bmc1", flavour, tls)
    assert found.system == "/redfish/v1/Systems/1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be redfish://HOST"),
        ("bmc1", "must be redfish://HOST"),
        ("https://bmc1", "must be redfish://HOST"),
        ("redfish:bmc1", "must be redfish://HOST"),
        ("redfish+ftp://bmc1", "must be redfish://HOST"),
        ("ipmi+http://bmc1", "must be redfish://HOST"),
        ("manual:bob", "must be redfish://HOST"),
        ("redfish://", "must have a host name"),
        ("redfish://b mc1", "no ?, # or space"),
        ("redfish://bmc1\x1b[2J", "must be redfish://HOST"),
        ("redfish://1.2.3", "must have an IPv4 address"),
        ("redfish://[1.2.3.4]", "between [ and ]"),
        ("redfish://2001:db8::1", "a host and a port"),
        ("redfish://bmc1:0", "from 1 to 65535"),
        ("redfish://bmc1:65536", "from 1 to 65535"),
        ("redfish://bmc1/rest/v1", "must have a path such as"),
        ("redfish://bmc1/redfish/v1/Systems/1/Bios", "must have a path such as"),
        ("redfish://bmc1/redfish/v1/../../x", "must have a path such as"),
        ("redfish://bmc1?x=1", "no ?, # or space"),
        ("ipmi://bmc1/redfish/v1", "IPMI has no paths"),
        ("wol:bmc1", "not a MAC address"),
        ("wol:01:00:5e:00:00:01", "multicast"),
        (f"redfish://{'a' * 512}", "must be redfish://HOST"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 -- looked at below
        parse_address(text)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["redfish", "ipmi", "redfish+http", "idrac-virtualmedia"])
def test_a_password_in_it_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(ValueError, match="must not have a user or password") as refused:
        parse_address(f"{scheme}://root:calvin@bmc1/redfish/v1")
    assert "calvin" not in str(refused.value)


_names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).map("a{}".format)
_hosts = st.one_of(_names, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
_ports = st.integers(1, 65535)
_systems = st.none() | st.text(string.ascii_letters + string.digits + "._-", min_size=1).map(
    "/redfish/v1/Systems/{}".format
)
_flavours = st.sampled_from([None, "redfish-virtualmedia", "idrac-virtualmedia", "ilo5"])
_addresses = st.one_of(
    st.builds(
        Address,
        scheme=st.just("redfish"),
        host=_hosts,
        port=_ports,
        tls=st.booleans(),
        system=_systems,
        flavour=_flavours,
    ),
    st.builds(Address, scheme=st.just("ipmi"), host=_hosts, port=_ports),
    st.builds(Address, st.just("wol"), port=st.just(9), mac=st.sampled_from([None, MAC])),
    st.just(Address("manual")),
)


@given(_addresses)
def test_every_address_is_written_as_it_is_read(address: Address) -> None:
    assert parse_address(str(address)) == address


@given(st.text() | st.text().map("redfish://{}".format) | st.text().map("wol:{}".format))
def test_any_text_is_an_address_or_refused_in_one_line(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError as error:
        problem = str(error)
    else:
        problem = ""
        assert parse_address(str(address)) == address
    assert "\n" not in problem
