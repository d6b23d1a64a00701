"""How text becomes data, and where each value is said to stand."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from vidpipe.config.document import Document
from vidpipe.config.read import parse, read

PLAIN = [
    ("on", "on"),  # true in YAML 1.1, and our name for a tier
    ("no", "no"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("'true'", "true"),
    ("7", 7),
    ("-7", -7),
    ("010", 10),
    ("0x1F", 31),
    ("12:30", "12:30"),
    ("2024-05-01", "2024-05-01"),
    ("1e-3", 0.001),
    (".5", 0.5),
    ("2.", 2.0),
    ("1.2.3", "1.2.3"),
    ("'7'", "7"),
    ("[1, {a: b}]", [1, {"a": "b"}]),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_values_are_read_as_yaml_1_2_does(text: str, value: object) -> None:
    assert parse(text) == value
    assert type(parse(text)) is type(value)


def document(folder: Path, text: str) -> Document:
    path = folder / "a.yaml"
    path.write_text(text)
    return read(path, "a.yaml")


TEXT = """\
# a comment
on:
  7: x
list:
  - a
  - id: first
    url:
      long
flow: {one: 1,
  two: 2}
"""
LINES: list[tuple[tuple[Any, ...], str, int]] = [
    ((), "", 1),
    (("on",), "on", 2),
    (("on", "7"), "on.7", 3),
    (("list", 0), "list.0", 5),
    (("list", 1), "list.first", 6),
    (("list", 1, "url"), "list.first.url", 7),
    (("flow", "one"), "flow.one", 9),
    (("flow", "two"), "flow.two", 10),
    (("flow", "three", "four"), "flow.three.four", 9),
]


@pytest.mark.parametrize(("keys", "path", "line"), LINES)
def test_every_place_has_a_line_and_a_name(tmp_path: Path, keys: tuple[Any, ...], path: str, line: int) -> None:
    written = document(tmp_path, TEXT)
    assert (written.path(keys), str(written.mark(keys))) == (path, f"a.yaml:{line}")


def test_the_environment_stands_in_for_text_and_stays_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDPIPE_USER", "ann")
    monkeypatch.setenv("VIDPIPE_PASSWORD", "0123: [")
    written = document(tmp_path, "a: rtsp://${env:VIDPIPE_USER}@host\nb: ${env:VIDPIPE_PASSWORD}\nc: ${VIDPIPE_USER}\n")
    assert written.data == {"a": "rtsp://ann@host", "b": "0123: [", "c": "${VIDPIPE_USER}"}
    assert (written.mistakes, written.secrets) == ([], {("a",), ("b",)})


def test_a_variable_that_is_not_there_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDPIPE_GATE_URL", "x")
    written = document(tmp_path, "streams:\n  gate: {url: '${env:VIDPIPE_GATE_ULR}'}\n")
    assert [str(mistake) for mistake in written.mistakes] == [
        "a.yaml:2: streams.gate.url: there is no environment variable 'VIDPIPE_GATE_ULR'; "
        "did you mean 'VIDPIPE_GATE_URL'?"
    ]


def test_a_merge_key_takes_in_what_the_mapping_does_not_say(tmp_path: Path) -> None:
    written = document(tmp_path, "base: &base\n  a: 1\n  b: {c: 2}\nown:\n  <<: *base\n  b: 3\n")
    assert written.data["own"] == {"a": 1, "b": 3}
    assert [written.mark(("own", key)).line for key in "ab"] == [2, 6]


MISTAKES = [
    ("a: 1\nb: 2\na: 3\n", "a.yaml:3: a: written twice: first in line 1"),
    ("list:\n- id: x\n  a: 1\n  a: 1\n", "a.yaml:4: list.x.a: written twice: first in line 3"),
    ("[a]: 1\n", "a.yaml:1: a key must be a word, not a list or a mapping"),
    ("a: {<<: 3}\n", "a.yaml:1: a: `<<` takes in one mapping"),
    ("a: !x 3\n", "a.yaml:1: a: tags such as '!x' mean nothing here: leave it out"),
    (
        "a: 1\n\tb: 2\n",
        "a.yaml:2: not valid YAML: while scanning for the next token found character '\\t' that cannot start any token",
    ),
    ("a: 'x\n", "a.yaml:2: not valid YAML: while scanning a quoted scalar found unexpected end of stream"),
    ("a: *x\n", "a.yaml:1: not valid YAML: found undefined alias 'x'"),
    ("a: \x00\n", "a.yaml: not valid YAML: it holds characters that YAML forbids"),
    (
        "a: 1\n---\nb: 1\n",
        "a.yaml:2: not valid YAML: expected a single document in the stream but found another document",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_what_is_wrong_with_the_text_is_said_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert [str(mistake) for mistake in document(tmp_path, text).mistakes] == [expected]


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def bomb(line: str, first: str = "[x]", lines: int = 25) -> str:
    """A text whose every line holds the one above it several times."""
    grown = (f"{name}: &{name} " + line.replace("UP", above) for above, name in pairwise(LETTERS[:lines]))
    return "\n".join([f"a: &a {first}", *grown])


TOO_MUCH = [
    (bomb("[*UP, *UP, *UP]"), "holds more than 50000 values"),
    (bomb("{<<: *UP, p: *UP, q: *UP}", "{k: x}"), "holds more than 50000 values"),
    (bomb("{<<: [*UP, *UP]}", "{k: x}"), "holds more than 50000 values"),
    (bomb("[[[*UP]]]"), "stands more than 40 levels deep"),
    ("a:\n" + "\n".join(" " * level + "a:" for level in range(1, 900)), "stands more than 40 levels deep"),
    ("a: " + "[" * 100_000, "stands more than 40 levels deep"),
    ("a: " + "{a: " * 3000, "stands more than 40 levels deep"),
    ("a: " + "x" * 2_000_000, "is larger than 1 MB"),
]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("text", "said"), TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_a_text_that_grows_beyond_all_bounds_is_refused_at_once(tmp_path: Path, text: str, said: str) -> None:
    [mistake] = document(tmp_path, text).mistakes
    assert said in mistake.message
    assert 1 <= mistake.mark.line <= 41


def test_what_is_used_again_a_few_times_is_no_bomb(tmp_path: Path) -> None:
    written = document(tmp_path, bomb("[*UP, *UP]", lines=9))
    assert written.mistakes == []
    assert str(written.data["i"]).count("x") == 2**8


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("9" * 5000, "more than 20 digits"),
        ("-" + "9" * 21, "more than 20 digits"),
        ("0x" + "f" * 5000, "more than 20 digits"),
        ("1e999", "too large"),
        ("-1e999", "too large"),
        ("9" * 400 + ".0", "too large"),
    ],
    ids=lambda text: text[:8],
)
def test_numbers_that_no_setting_has(tmp_path: Path, number: str, said: str) -> None:
    [mistake] = document(tmp_path, f"a: 1\nb: {number}\n").mistakes
    assert (mistake.mark.line, mistake.path) == (2, "b")
    assert said in mistake.message
