"""Every example in ``docs/recipes/own-profile.md`` is a profile that works, read from that page."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from netboot.answer.answers import ANSWER_FILES, render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.answer.script import render_script
from netboot.checked import convert
from netboot.config import Settings
from netboot.model import (
    Answer,
    AnswerKind,
    Arch,
    Client,
    Firmware,
    Image,
    Mac,
    Node,
    Profile,
    Server,
)

PAGE = (Path(__file__).parent.parent / "docs" / "recipes" / "own-profile.md").read_text("utf-8")
EXAMPLE = re.compile(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = dict(EXAMPLE.findall(PAGE))
OWN = [Path(name).stem for name in EXAMPLES if name.startswith("profiles/")]

MAC = Mac("52:54:00:00:00:01")
NODE = Node("n1", (MAC,))
CLIENT = Client(MAC, Firmware.IPXE, Arch.X64)
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
TOKEN_URL = f"{SERVER.url}/node/TOKEN"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with every example of the page in its place, and nothing else."""
    for name, content in EXAMPLES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def profile(folder: Path, name: str) -> Profile:
    reports: list[str] = []
    found = load_profiles([folder], reports.append)
    assert reports == []
    return found[name]


def answer(folder: Path, made: Profile, name: str) -> str:
    text = render_answer(
        *(name, NODE, made, SERVER, "http://192.0.2.10/debian"),
        token_url=TOKEN_URL,
        templates=Templates([folder]),
    )
    return text.decode()


def test_the_page_has_an_example_of_everything() -> None:
    assert len(OWN) == 6
    kinds = {tomllib.loads(EXAMPLES[f"profiles/{name}.toml"]).get("script") for name in OWN}
    assert kinds == {f"ipxe/{script}.ipxe" for script in ("linux", "memtest", "debian", "chain")}


@pytest.mark.parametrize("name", OWN)
def test_it_boots(folder: Path, name: str) -> None:
    made = profile(folder, name)
    image = Image(made.image, "1", {}) if made.image else None
    templates = Templates([folder])
    script = render_script(NODE, CLIENT, made, image, SERVER, TOKEN_URL, templates=templates)
    assert script.startswith("#!ipxe\n")
    assert ("choose " in script) is made.installs
    for file in ANSWER_FILES[made.answer.kind] if made.answer else ():
        answer(folder, made, file)


def test_its_configuration_is_one() -> None:
    (text,) = re.findall(r"^```toml\n(\[server\]\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    settings = convert(tomllib.loads(text), Settings, "example")
    assert settings.templates == (Path("/etc/netboot/templates"),)


@pytest.mark.parametrize("file", ["answers/ubuntu.yaml.j2", "my-autoinstall.yaml.j2"])
def test_both_ubuntu_answers_are_cloud_configs_that_call_home(folder: Path, file: str) -> None:
    made = Profile("own", "x", answer=Answer(AnswerKind.NOCLOUD, file))
    text = answer(folder, made, "user-data")
    assert text.startswith("#cloud-config\n")
    told = yaml.safe_load(text)["autoinstall"]
    assert told["identity"]["hostname"] == "n1"
    assert told["late-commands"][-1][-1] == f"{TOKEN_URL}/installed"


def test_the_same_file_may_be_served_as_it_is(folder: Path) -> None:
    """As the page says: a user's autoinstall file, by any name that does not end in .j2."""
    content = "#cloud-config\n# {{ not a template }}\nautoinstall: {version: 1}\n"
    (folder / "my-autoinstall.yaml").write_text(content)
    made = Profile("own", "x", answer=Answer(AnswerKind.NOCLOUD, "my-autoinstall.yaml"))
    assert answer(folder, made, "user-data") == content


def test_fedoras_answers_are_a_kickstart(folder: Path) -> None:
    parser = pytest.importorskip("pykickstart.parser", reason="pykickstart is not installed")
    version = pytest.importorskip("pykickstart.version")
    handler = version.makeVersion("F41")
    text = answer(folder, profile(folder, "fedora-lab"), "ks.cfg")
    parser.KickstartParser(handler).readKickstartFromString(text)
    assert handler.url.url == "http://192.0.2.10/fedora/41/Server/x86_64/os"
    assert handler.ignoredisk.onlyuse == ["vda"]


def test_flatcars_answers_are_an_ignition_config(folder: Path) -> None:
    told = json.loads(answer(folder, profile(folder, "flatcar"), "config.ign"))
    assert told["passwd"]["users"][0]["sshAuthorizedKeys"][0].startswith("ssh-ed25519 ")
    assert told["storage"]["files"][0]["contents"]["source"] == "data:,n1"


@pytest.mark.skipif(not shutil.which("ignition-validate"), reason="the package is ignition")
def test_ignition_takes_flatcars_answers(folder: Path) -> None:
    file = folder / "config.ign"
    file.write_text(answer(folder, profile(folder, "flatcar"), "config.ign"))
    checked = subprocess.run(
        ["ignition-validate", file], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
