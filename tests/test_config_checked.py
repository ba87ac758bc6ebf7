"""``checked``: any data against any shape gives a value, or one printable line that says where."""

import datetime as dt
import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field

from netboot.checked import Checked, allowed, convert, read_yaml
from netboot.errors import ConfigError

Small = Annotated[int, Meta(ge=0, le=9)]
Word = Annotated[str, Meta(pattern=r"^[a-z]+\Z", description="a word of lower-case letters")]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(Checked, frozen=True):
    size: Small
    words: tuple[Word, ...] = ()


class Tree(Checked, frozen=True):
    leaf: Leaf | None = None
    leaves: list[Leaf] = field(default_factory=list)
    named: dict[Word, Leaf] = field(default_factory=dict)
    either: str | list[Word] = "x"
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    ratio: Annotated[float, Meta(ge=0)] = 0
    short: Annotated[str, Meta(max_length=3)] = ""
    flag: bool = False
    pair: tuple[int, Word] = (0, "x")


def complaint(call: Callable[[], object]) -> str:
    """What a call refuses its input with, "" where it takes it."""
    try:
        call()
    except ConfigError as error:
        return str(error)
    return ""


MISTAKES: list[tuple[Any, str]] = [
    (3, "3: must be a table with the keys leaf, leaves, named, either, colour, mode, ratio"),
    ({"leaf": {}}, "leaf.size: is missing; must be an integer from 0 to 9"),
    ({"leaf": {"size": 10}}, "leaf.size = 10: must be an integer from 0 to 9"),
    ({"leaf": {"size": 1, "x": 1}}, "leaf.x: is no known key; allowed here: size, words"),
    ({"leaf": 1}, "leaf = 1: must be a table with the keys size, words"),
    (
        {"leaves": [{"size": 1}, {"size": 1, "words": ["a", "B"]}]},
        'leaves[1].words[1] = "B": must be a word of lower-case letters',
    ),
    ({"leaves": 1}, "leaves = 1: must be a list (each: a table with the keys size, words)"),
    ({"named": {"a": {"size": 1}, "b": {"size": None}}}, "named.b.size = nothing: must be an"),
    ({"named": {"A b": {"size": 1}}}, 'named."A b" = "A b": must be a word of lower-case'),
    ({"named": {3: {"size": 1}}}, "named.3 = 3: must be a word of lower-case letters"),
    ({"named": ["a"]}, "named = a list of 1: must be a table"),
    ({"leaves": {"a": 1}}, "leaves = a table of 1: must be a list (each: a table with the keys"),
    ({"pair": [1, 2]}, "pair[1] = 2: must be a word of lower-case letters"),
    ({"pair": [1, "a", 3]}, "pair = a list of 3: must be a list of 2"),
    ({"either": ["a", 1]}, "either[1] = 1: must be a word of lower-case letters"),
    (
        {"either": 1},
        "either = 1: must be text or a list (each: a word of lower-case letters)",
    ),
    ({"colour": "green"}, 'colour = "green": must be "red" or "blue"'),
    ({"mode": 1}, 'mode = 1: must be "fast" or "slow"'),
    ({"ratio": -1}, "ratio = -1: must be a number of at least 0"),
    ({"short": "long"}, 'short = "long": must be text whose length is of at most 3'),
    ({"flag": "yes"}, 'flag = "yes": must be true or false'),
    ({"flag": dt.date(2024, 1, 1)}, "flag = 2024-01-01: must be true or false"),
    ({"short": "\udc80\x1b[2J" * 30}, 'short = "\\udc80\\x1b[2J\\udc80\\x1b[2J'),
    ({"\x1b": 1}, '"\\x1b": is no known key'),
]


@pytest.mark.parametrize(("raw", "line"), MISTAKES, ids=[line[:40] for _, line in MISTAKES])
def test_the_line_leads_to_the_innermost_value(raw: object, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(raw, Tree, "F")
    assert str(caught.value).startswith("F: " + line)


def test_a_key_stands_before_what_is_inside_it() -> None:
    with pytest.raises(ConfigError, match=r"^F: \[3\]\.size: is missing"):
        convert({}, Leaf, "F", "[3]")


def test_a_shape_may_be_any_type() -> None:
    assert convert(["a"], tuple[Word, ...], "F") == ("a",)
    with pytest.raises(ConfigError, match=r"^F: \[1\] = 2: must be a word"):
        convert(["a", 2], list[Word], "F")
    assert allowed(list[int]) == "a list (each: an integer)"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["a", "red", "fast"])
    | st.dates()
)
KEYS = st.sampled_from([*Tree.__struct_fields__, "size", "words", "a"]) | st.text(max_size=4)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(DATA)
def test_no_data_does_anything_but_fit_or_raise_config_error(raw: object) -> None:
    line = complaint(lambda: convert(raw, Tree, "F"))
    assert line.isprintable()
    assert len(line) < 400


class TestYaml:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "nodes.yaml"

    @pytest.mark.parametrize("text", ["52:54:00:00:00:01", "no", "0123", "1.10", "2024-01-01", "~"])
    def test_a_scalar_is_the_text_that_was_typed(self, file: Path, text: str) -> None:
        file.write_text(f"- {text}\n")
        assert read_yaml(file) == [text]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: 1\nb: 2\na: 3\n", "is not YAML: a key is there twice (line 3, column 1)"),
            ("[a]: 1\n", "is not YAML: a key must be text (line 1, column 1)"),
            ("a: &x 1\nb: *x\n", "is not YAML: anchors and aliases are not taken (line 1, column"),
            ("- !!python/object/apply:os.getcwd []", "is not YAML: tags are not taken (line 1"),
            ("a: [1,\n", "is not YAML: while parsing a flow"),
            ("a: b: c\n", "is not YAML: mapping values are not allowed"),
            ("--- 1\n--- 2\n", "is not YAML: a second document begins (line 2, column 1)"),
            ("\x00", "is not YAML: "),
            ("[" * 100_000, "is not YAML: more than 50 levels are nested (line 1, column 51)"),
        ],
    )
    def test_a_mistake_is_one_line(self, file: Path, text: str, problem: str) -> None:
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_yaml(file)
        assert str(caught.value).startswith(f"{file}: {problem}")
        assert str(caught.value).isprintable()

    def test_lists_and_mappings(self, file: Path) -> None:
        file.write_text("- {name: n1, macs: [a, b]}\n- name: n2\n  vars:\n    k: >-\n      v\n")
        assert read_yaml(file) == [
            {"name": "n1", "macs": ["a", "b"]},
            {"name": "n2", "vars": {"k": "v"}},
        ]

    def test_an_empty_file_is_nothing(self, file: Path) -> None:
        file.write_text("# only a comment\n")
        assert read_yaml(file) is None

    @given(noise=st.text(st.sampled_from("-:[]{}#&*!|>'\"%@`,? \nab0\t"), max_size=40))
    def test_no_text_does_anything_but_parse_or_raise_config_error(
        self, tmp_path_factory: pytest.TempPathFactory, noise: str
    ) -> None:
        file = tmp_path_factory.getbasetemp() / "noise.yaml"
        file.write_text(noise)
        assert complaint(lambda: read_yaml(file)).isprintable()
