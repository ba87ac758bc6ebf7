"""What the compose file gives its services: no more than each needs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parent.parent / "docker"
SERVICES: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
SHARES = ("nfs", "smb")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_read_only_root_and_few_capabilities(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"]
    assert not {"SYS_ADMIN", "NET_ADMIN", "DAC_OVERRIDE"} & set(service.get("cap_add", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_is_looked_after_and_fills_no_disk(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    stages = (DOCKER / "Dockerfile").read_text("utf-8").split("\nFROM ")
    (stage,) = (one for one in stages if one.splitlines()[0].endswith(f" AS {name}"))
    assert "\nHEALTHCHECK " in stage


@pytest.mark.parametrize("name", SHARES)
def test_a_share_listens_where_it_is_told(name: str) -> None:
    ports = SERVICES[name]["ports"]
    assert [port for port in ports if not port.startswith("${SHARE_ADDRESS:-0.0.0.0}:")] == []


@pytest.mark.parametrize("name", SHARES)
def test_a_share_sees_images_and_cds_alone_and_cannot_write_them(name: str) -> None:
    assert SERVICES[name]["profiles"] == [name]
    assert SERVICES[name]["volumes"] == [
        "images:/srv/netboot/images:ro",
        "./media:/srv/netboot/media:ro",
    ]


def test_what_is_shared_are_netboots_images() -> None:
    assert "images:/data/images" in SERVICES["netboot"]["volumes"]


@pytest.mark.parametrize("config", ["ganesha.conf", "smb.conf"])
def test_a_share_s_configuration_is_in_its_image(config: str) -> None:
    assert f"!docker/{config}" in (DOCKER.parent / ".dockerignore").read_text("utf-8").split()
    assert f"COPY docker/{config} " in (DOCKER / "Dockerfile").read_text("utf-8")
    assert "/srv/netboot" in (DOCKER / config).read_text("utf-8")
