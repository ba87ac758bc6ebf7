"""The documentation says nothing that the code does not."""

import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from netboot import config, plain_yaml
from netboot.answer.profiles import load_profiles
from netboot.cli.main import root
from netboot.store.shapes import nodes_of
from tests.doctor_site import make_images

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = (
    "netboot/",
    "templates/",
    "tests/",
    "docs/",
    "tools/",
    "benchmarks/",
    "docker/",
    "packaging/",
)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(?:\$ )?(?:sudo )?netboot (.+)$", re.MULTILINE)
TEST = re.compile(r"`(tests/\w+\.py)::(\w+)`")
DEPENDENCY = re.compile(r"^- `([\w.-]+)`: \S", re.MULTILINE)


def text(page: Path) -> str:
    return page.read_text("utf-8")


def fenced(*languages: str) -> Iterator[str]:
    for page in PAGES:
        yield from (body for language, body in FENCE.findall(text(page)) if language in languages)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of each heading."""
    titles = (title.lower().replace(" ", "-") for title in HEADING.findall(text(page)))
    return {re.sub(r"[^\w-]", "", title) for title in titles}


def section(page: str, title: str) -> str:
    return text(ROOT / page).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands() -> list[str]:
    blocks = "".join(fenced("sh", "console", ""))
    return sorted(set(COMMAND.findall(blocks)))


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(text(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_module_named_is_there(page: Path) -> None:
    for name in QUOTED.findall(text(page)):
        if name.startswith(FOLDERS) and "::" not in name:
            assert (ROOT / name).exists(), name
        elif re.fullmatch(r"netboot(\.\w+)+", name) and not name.endswith((".toml", ".service")):
            assert importlib.util.find_spec(name) is not None, name


def test_architecture_names_every_package() -> None:
    page = text(ROOT / "docs" / "architecture.md")
    packages = {path.parent for path in (ROOT / "netboot").glob("*/__init__.py")}
    unnamed = [path for path in packages if f"`netboot/{path.name}`" not in page]
    assert unnamed == []


def test_there_are_command_lines_to_check() -> None:
    assert {line.split()[0] for line in commands()} >= {"serve", "node", "explain", "timeline"}


@pytest.mark.parametrize("line", commands())
def test_every_command_line_parses(line: str) -> None:
    words = shlex.split(line, comments=True)
    command: click.Command = root
    context = root.make_context("netboot", words)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        command = found
        context = command.make_context(name, words, parent=context)


def configurations() -> list[str]:
    """Configurations shown; profiles are TOML too, and `tests/test_recipes.py` loads those."""
    return [body for body in fenced("toml") if not body.startswith("description")]


def test_every_configuration_shown_loads(tmp_path: Path) -> None:
    shown = configurations()
    assert shown
    for body in shown:
        file = tmp_path / "netboot.toml"
        file.write_text(body, "utf-8")
        config.load(file, {})


def test_the_readme_shows_every_configuration_key() -> None:
    shown = {
        (name, key)
        for body in configurations()
        for name, keys in tomllib.loads(body).items()
        for key in keys
    }
    sections = {
        name: getattr(config.Settings(), name) for name in config.Settings.__struct_fields__
    }
    tables = {name for name, keys in sections.items() if isinstance(keys, dict)}
    there = {
        (name, key)
        for name, keys in sections.items()
        if name not in tables
        for key in keys.__struct_fields__
    }
    assert {(name, key) for name, key in shown if name not in tables} == there
    assert tables <= {name for name, _ in shown}  # of names that people choose


def test_every_nodes_file_shown_can_be_imported() -> None:
    shown = [body for body in fenced("yaml") if body.startswith("- name:")]
    assert shown
    for body in shown:
        assert nodes_of(plain_yaml.loads(body), "README.md", load_profiles())


def test_explain_says_what_the_readme_shows(tmp_path: Path) -> None:
    file = tmp_path / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{tmp_path / "data"}"\n', "utf-8")
    make_images(tmp_path / "data" / "images")
    shell = re.findall(
        r"^\$ sudo netboot ((?:node add|explain) .+)\n((?:(?!\$).+\n)+)",
        "".join(fenced("console")),
        re.MULTILINE,
    )
    assert [line.split()[0] for line, _ in shell] == ["node", "explain"]
    for line, output in shell:
        result = CliRunner().invoke(root, ["--config", str(file), *shlex.split(line)])
        assert result.output == output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path, generate: ModuleType) -> None:
    assert text(page) == generate.page(text(page)), "run: python docs/generate.py"


def test_each_boot_in_the_matrix_names_a_test_that_boots_firmware() -> None:
    rows = TEST.findall(text(ROOT / "docs" / "firmware.md"))
    assert rows
    for file, name in rows:
        source = text(ROOT / file)
        assert f"\ndef {name}(" in source, name
        assert "mark.firmware" in source, file


def test_every_sender_of_golden_packets_is_in_the_matrix() -> None:
    captured = {
        path.name.split("-discover")[0]
        for path in (ROOT / "tests" / "golden" / "packets").glob("*-discover.bin")
    }
    rows = re.findall(r"^\| `([\w-]+)` \|", text(ROOT / "docs" / "firmware.md"), re.MULTILINE)
    assert captured <= set(rows)


def test_every_dependency_is_justified_in_one_line() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=!~\[ ]", entry)[0] for entry in listed]
    assert DEPENDENCY.findall(section("docs/architecture.md", "Dependencies")) == names


def test_the_license_files_named_are_there() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    for name in project["license-files"]:
        assert f"({name})" in section("README.md", "License")
        assert (ROOT / name).is_file()
