"""Quirk data: each personality is told from the others, and the table says what the field saw."""

import re

import pytest

from netboot.bmc import quirks
from netboot.errors import ConfigError

ALL = [
    "generic",
    "dell-idrac9",
    "dell-idrac10",
    "hpe-ilo5",
    "hpe-ilo6",
    "supermicro-x10",
    "supermicro-x11+",
    "lenovo-xcc",
    "ami",
    "huawei",
    "inspur",
    "h3c",
    "nettrix",
    "cisco",
    "nokia",
    "dgx",
    "pikvm",
    "placemat",
]


def test_the_table_has_every_personality_and_no_other() -> None:
    assert sorted(quirks.known()) == sorted(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_bmc_is_told_by_what_its_own_kind_says_of_itself(name: str) -> None:
    identity = quirks.known()[name].identity
    found = quirks.of(
        identity.manufacturer,
        identity.model,
        identity.bmc_model,
        identity.root_vendor,
        identity.system,
    )
    assert found.name == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({}, "generic"),
        ({"manufacturer": "QEMU"}, "generic"),
        ({"root_vendor": "Dell", "bmc_model": "16G Monolithic"}, "dell-idrac9"),
        ({"root_vendor": "HPE", "bmc_model": "iLO 7"}, "hpe-ilo6"),
        ({"manufacturer": "HPE", "bmc_model": None}, "hpe-ilo5"),
        ({"manufacturer": "HPE", "root_vendor": "HPE", "bmc_model": "iLO 6"}, "hpe-ilo6"),
        ({"manufacturer": "SUPERMICRO", "model": "X9DRi"}, "supermicro-x10"),
        ({"manufacturer": "Supermicro", "model": "X12STH"}, "supermicro-x11+"),
        ({"manufacturer": "GIGABYTE"}, "ami"),
        ({"manufacturer": "NVIDIA", "model": "DGXH100", "root_vendor": "AMI"}, "dgx"),
        ({"manufacturer": "xFusion"}, "huawei"),
        ({"system": "0"}, "pikvm"),
        ({"manufacturer": "Someone", "system": "0"}, "generic"),
    ],
)
def test_a_bmc_is_told(said: dict[str, str | None], name: str) -> None:
    assert quirks.of(**said).name == name


def test_only_differences_stand_in_the_table() -> None:
    raw = quirks.checked.read_toml(quirks._FILE)
    plain = quirks.Quirk(label="")
    for name, table in raw.items():
        for key in table:
            if key not in ("label", "match", "identity"):
                assert getattr(quirks.known()[name], key) != getattr(plain, key), f"{name}.{key}"


def test_a_wrong_pattern_names_its_key() -> None:
    with pytest.raises(ConfigError, match=re.escape("broken.match.model")):
        quirks._compiled("broken", quirks.Match(model="("))
