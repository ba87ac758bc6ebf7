"""What the packet filter does with a machine's packets, told from the rules alone."""

import json
import os
import sys
from ipaddress import IPv4Network
from typing import Any

import pytest

from netboot.doctor import firewall, read_iptables, read_nft
from netboot.doctor.finding import Severity
from netboot.doctor.packet_filter import Chain, Fate, Packet, fates
from netboot.errors import OperationError
from netboot.lab.namespaces import Lan
from netboot.survey import Interface

LAN = IPv4Network("10.77.0.0/24")
US = IPv4Network("10.77.0.2/32")
TFTP = Packet("TFTP", "eth0", "udp", 69, LAN, US)
ANSWER = Packet("TFTP's acknowledgements", "eth0", "udp", 49152, LAN, US, "established")
HTTP = Packet("HTTP", "eth0", "tcp", 8080, LAN, US)
ETH0 = Interface("eth0", "10.77.0.2", 24, "52:54:00:00:00:01", 1500)

IN, OUT = {Fate.ACCEPTED}, {Fate.DROPPED}
EITHER = IN | OUT
Json = dict[str, Any]


def match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def port(number: Any, protocol: str = "udp", op: str = "==") -> Json:
    return match({"payload": {"protocol": protocol, "field": "dport"}}, number, op)


def meta(key: str, right: Any, op: str = "==") -> Json:
    return match({"meta": {"key": key}}, right, op)


def ip(field: str, right: Any) -> Json:
    return match({"payload": {"protocol": "ip", "field": field}}, right)


def prefix(address: str, length: int) -> Json:
    return {"prefix": {"addr": address, "len": length}}


def state(*names: str) -> Json:
    return match({"ct": {"key": "state"}}, list(names), "in")


ACCEPT: Json = {"accept": None}
DROP: Json = {"drop": None}


def ruleset(*rules: list[Json], policy: str = "accept", more: list[Json] | None = None) -> bytes:
    """One input chain with these rules, and ``more`` objects."""
    where = {"family": "inet", "table": "filter"}
    chain = where | {"name": "input", "type": "filter", "hook": "input", "policy": policy}
    made = [{"rule": where | {"chain": "input", "expr": expr}} for expr in rules]
    return json.dumps({"nftables": [{"chain": chain}, *made, *(more or [])]}).encode()


def outcome(text: bytes, packet: Packet) -> frozenset[Fate]:
    chains, _foreign = read_nft.read(text)
    by_name = {chain.name: chain for chain in chains}
    return fates(by_name["inet filter input"], packet, by_name)


@pytest.mark.parametrize(
    ("rules", "policy", "packet", "expected"),
    [
        ([], "accept", TFTP, IN),
        ([], "drop", TFTP, OUT),
        ([[port(69), ACCEPT]], "drop", TFTP, IN),
        ([[port(69), ACCEPT]], "drop", HTTP, OUT),
        ([[port(69, "tcp"), ACCEPT]], "drop", TFTP, OUT),
        ([[port(69, "th"), ACCEPT]], "drop", TFTP, IN),
        ([[port({"set": [67, 69]}), ACCEPT]], "drop", TFTP, IN),
        ([[port({"set": [67, {"range": [68, 70]}]}), ACCEPT]], "drop", TFTP, IN),
        ([[port({"range": [8000, 9000]}, "tcp"), DROP]], "accept", HTTP, OUT),
        ([[port(69, op="!="), DROP]], "accept", TFTP, IN),
        ([[meta("iifname", "lo"), ACCEPT]], "drop", TFTP, OUT),
        ([[meta("iifname", "eth*"), ACCEPT]], "drop", TFTP, IN),
        ([[meta("iifname", "eth0", "!="), DROP]], "accept", TFTP, IN),
        ([[meta("l4proto", "udp"), {"reject": None}]], "accept", TFTP, OUT),
        ([[ip("saddr", prefix("10.0.0.0", 8)), ACCEPT]], "drop", TFTP, IN),
        ([[ip("saddr", prefix("10.77.0.128", 25)), ACCEPT]], "drop", TFTP, EITHER),
        ([[ip("saddr", prefix("192.168.0.0", 16)), ACCEPT]], "drop", TFTP, OUT),
        ([[ip("daddr", "10.77.0.2"), ACCEPT]], "drop", TFTP, IN),
        ([[state("established", "related"), ACCEPT]], "drop", TFTP, OUT),
        ([[state("established", "related"), ACCEPT]], "drop", ANSWER, IN),
        ([[{"counter": {"packets": 0}}, ACCEPT]], "drop", TFTP, IN),
        ([[{"limit": {"rate": 3}}, ACCEPT]], "drop", TFTP, EITHER),
        ([[meta("mark", 7), DROP]], "accept", TFTP, EITHER),
        ([[meta("mark", 7), ACCEPT], [DROP]], "accept", TFTP, EITHER),
        ([[port("@nothing"), ACCEPT]], "drop", TFTP, EITHER),
        ([[port(69), {"jump": {"target": "nowhere"}}]], "drop", TFTP, EITHER),
        ([[{"queue": None}]], "accept", TFTP, EITHER),
        ([[match({"ct": {"key": "status"}}, "dnat", "in"), ACCEPT]], "drop", TFTP, OUT),
        ([[match({"ct": {"key": "status"}}, "dnat", "!="), DROP]], "accept", TFTP, OUT),
        ([[match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), ACCEPT]], "drop",
         TFTP, IN),
        ([[match({"payload": {"protocol": "ip6", "field": "saddr"}}, "::1"), DROP]], "accept",
         TFTP, IN),
    ],
)  # fmt: skip
def test_what_nft_rules_do(
    rules: list[list[Json]], policy: str, packet: Packet, expected: set[Fate]
) -> None:
    assert outcome(ruleset(*rules, policy=policy), packet) == expected


@pytest.mark.parametrize(
    ("leads", "inner", "after", "expected"),
    [
        ("jump", [port(69), ACCEPT], DROP, IN),
        ("jump", [port(70), ACCEPT], DROP, OUT),
        ("jump", [{"return": None}], DROP, OUT),
        ("goto", [port(70), ACCEPT], DROP, IN),  # the policy, for a goto does not come back
        ("goto", [DROP], ACCEPT, OUT),
    ],
)
def test_jumps_come_back_and_gotos_do_not(
    leads: str, inner: list[Json], after: Json, expected: set[Fate]
) -> None:
    where = {"family": "inet", "table": "filter"}
    more: list[Json] = [
        {"chain": where | {"name": "other"}},
        {"rule": where | {"chain": "other", "expr": inner}},
    ]
    text = ruleset([{leads: {"target": "other"}}], [after], more=more)
    assert outcome(text, TFTP) == expected


def test_verdict_maps_and_named_sets_are_followed() -> None:
    where = {"family": "inet", "table": "filter"}
    states = {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT]]}}
    more: list[Json] = [{"set": where | {"name": "ours", "elem": [{"elem": {"val": 69}}, 4011]}}]
    text = ruleset([{"vmap": states}], [port("@ours"), ACCEPT], policy="drop", more=more)
    assert [set(outcome(text, packet)) for packet in (TFTP, ANSWER, HTTP)] == [IN, IN, OUT]


def test_a_loop_of_jumps_ends_in_doubt() -> None:
    assert outcome(ruleset([{"jump": {"target": "input"}}]), TFTP) == EITHER


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"nftables": 1}', b'{"nftables": [{"rule": 1}]}']
)
def test_what_is_no_ruleset_is_said(text: bytes) -> None:
    with pytest.raises(OperationError, match="nft gave no ruleset"):
        read_nft.read(text)


def saved(*rules: str, policy: str = "ACCEPT") -> str:
    head = ["*filter", f":INPUT {policy} [0:0]", ":mine - [0:0]"]
    return "\n".join([*head, *(f"-A {rule}" for rule in rules), "COMMIT"])


@pytest.mark.parametrize(
    ("rules", "policy", "packet", "expected"),
    [
        ([], "ACCEPT", TFTP, IN),
        ([], "DROP", TFTP, OUT),
        (["INPUT -p udp -m udp --dport 69 -j ACCEPT"], "DROP", TFTP, IN),
        (["INPUT -p tcp -m tcp --dport 69 -j ACCEPT"], "DROP", TFTP, OUT),
        (["INPUT -p udp -m udp --dport 60:70 -j DROP"], "ACCEPT", TFTP, OUT),
        (["INPUT -p udp -m multiport --dports 67,69,4011 -j DROP"], "ACCEPT", TFTP, OUT),
        (["INPUT ! -i lo -p udp -j DROP"], "ACCEPT", TFTP, OUT),
        (["INPUT -i eth+ -j ACCEPT"], "DROP", TFTP, IN),
        (["INPUT -s 10.0.0.0/8 -j ACCEPT"], "DROP", TFTP, IN),
        (["INPUT -s 10.77.0.9/32 -j ACCEPT"], "DROP", TFTP, EITHER),
        (["INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], "DROP", ANSWER, IN),
        (["INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], "DROP", TFTP, OUT),
        (["INPUT -j mine", "mine -p udp -j REJECT --reject-with icmp-port-unreachable"],
         "ACCEPT", TFTP, OUT),
        (["INPUT -j mine", "mine -j RETURN", "INPUT -j DROP"], "ACCEPT", TFTP, OUT),
        (["INPUT -g mine", "INPUT -j DROP"], "ACCEPT", TFTP, IN),
        (['INPUT -j LOG --log-prefix "in a shop: "'], "ACCEPT", TFTP, IN),
        (["INPUT -m addrtype --dst-type LOCAL -j ACCEPT"], "DROP", TFTP, IN),
        (["INPUT -m addrtype --dst-type BROADCAST -j ACCEPT"], "DROP", TFTP, OUT),
        (["INPUT -m recent --update --seconds 60 -j DROP"], "ACCEPT", TFTP, EITHER),
    ],
)  # fmt: skip
def test_what_iptables_rules_do(
    rules: list[str], policy: str, packet: Packet, expected: set[Fate]
) -> None:
    chains = read_iptables.read(saved(*rules, policy=policy))
    by_name = {chain.name: chain for chain in chains}
    assert fates(by_name["filter INPUT"], packet, by_name) == expected


def test_the_nat_table_filters_nothing() -> None:
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j DROP\nCOMMIT"
    assert read_iptables.read(text) == ()


def judged(*chains: Chain) -> list[tuple[Severity, str, str]]:
    wanted = firewall.packets(ETH0, 69, 8080)
    return [(one.severity, one.what, one.cure) for one in firewall.judge(wanted, chains)]


@pytest.mark.parametrize("uid", [0, 1000], ids=["root", "user"])
def test_only_who_is_not_root_is_told_to_be(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(OperationError) as refused:
        firewall._listed("sh", "-c", "echo Protocol not supported >&2; exit 1")
    assert str(refused.value) == "sh: Protocol not supported" + (" (try sudo)" if uid else "")


def test_without_rules_everything_comes_in() -> None:
    assert judged() == [
        (
            Severity.OK,
            "this host lets TFTP, acknowledgements of TFTP, ProxyDHCP, HTTP, DHCP in on eth0",
            "",
        )
    ]


def test_a_closed_host_hears_dhcp_all_the_same_for_that_is_a_packet_socket() -> None:
    chain = Chain("inet filter input", "nft", hook="input", policy=Fate.DROPPED)
    told = judged(chain)
    assert [severity for severity, _, _ in told] == [Severity.PROBLEM] * 4 + [Severity.OK]
    assert told[0][2] == 'nft insert rule inet filter input iifname "eth0" udp dport 69 accept'
    assert told[1][2].endswith("ct state established accept")
    assert told[-1][1] == "this host lets DHCP in on eth0"


def test_an_ingress_chain_stands_before_the_packet_socket_but_only_on_its_device() -> None:
    chain = Chain("netdev f in", "nft", hook="ingress", device="eth0", policy=Fate.DROPPED)
    assert all(severity is Severity.PROBLEM for severity, _, _ in judged(chain))
    other = Chain("netdev f in", "nft", hook="ingress", device="eth1", policy=Fate.DROPPED)
    assert [severity for severity, _, _ in judged(other)] == [Severity.OK]


def test_the_cure_for_iptables_is_in_its_own_words() -> None:
    (chain, _mine) = read_iptables.read(saved(policy="DROP"))
    assert judged(chain)[0][2] == (
        "iptables -t filter -I INPUT -i eth0 -p udp --dport 69 -j ACCEPT"
    )


@pytest.mark.root
@pytest.mark.parametrize(
    ("commands", "dropped"),
    [
        ([], []),
        (["nft add table inet f",
          "nft add chain inet f in { type filter hook input priority 0 ; policy drop ; }",
          "nft add rule inet f in udp dport { 69, 4011 } accept"],
         ["acknowledgements of TFTP", "HTTP"]),
        (["iptables-nft -A INPUT -p udp -m multiport --dports 69,4011 -j DROP"],
         ["TFTP", "ProxyDHCP"]),
        (["iptables-legacy -A INPUT -p tcp --dport 8080 -j REJECT"], ["HTTP"]),
        (["nft add table netdev f",
          "nft add chain netdev f in { type filter hook ingress device eth0 priority 0 ; }",
          "nft add rule netdev f in udp dport 67 drop"], ["DHCP"]),
    ],
)  # fmt: skip
def test_real_rules_of_every_program_are_read(
    lan: Lan, commands: list[str], dropped: list[str]
) -> None:
    for command in commands:
        lan.server.run(command.split())
    look = (
        "from netboot.doctor import firewall as f; from netboot.survey import choose;"
        "from netboot.config import Settings; (one,) = choose(Settings());"
        "told = f.judge(f.packets(one, 69, 8080), f.rules_of_this_host());"
        "print([t.what.split(' (')[0] for t in told if t.severity == 'problem'])"
    )
    done = lan.server.run([sys.executable, "-c", look])
    assert done.stdout.strip() == str(dropped)
