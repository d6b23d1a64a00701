"""Reading YAML into plain data that remembers where each of its values was written.

Plain values are read as YAML 1.2 does: `on` is a key and not true, `no` is a word, `010` is ten, `1e-3` a number.
PyYAML's own resolver follows YAML 1.1, in which none of this holds.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import yaml

from vidpipe.config.document import Document
from vidpipe.config.mistakes import Keys, Mark, Mistake
from vidpipe.nearest import did_you_mean

_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_ENV = re.compile(r"\$\{env:([^}]*)\}")
_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}

# What a text may grow to. Aliases repeat what they name, so that ten lines can stand for a billion values.
_MOST_BYTES = 1_000_000
_MOST_VALUES = 50_000
_MOST_LEVELS = 40
_MOST_DIGITS = 20
_TOO_DEEP = f"stands more than {_MOST_LEVELS} levels deep: no pipeline does"


def read(path: Path, shown: str) -> Document:
    """A YAML file; what is wrong with it is in the document's `mistakes`.

    Args:
        path: of the file.
        shown: the file's name in messages.
    """
    document = Document(marks={(): Mark(shown, 1)}, origins=[shown])
    try:
        node = yaml.compose(_text(path), Loader=_Loader)
    except _TooMuchError as error:
        document.mistakes.append(Mistake(Mark(shown, error.line), "", str(error)))
    except OSError as error:
        document.mistakes.append(Mistake(Mark(shown), "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        document.mistakes.append(Mistake(Mark(shown), "", "is not text in UTF-8"))
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(Mistake(Mark(shown, _line(error)), "", f"not valid YAML: {_problem(error)}"))
    except yaml.YAMLError:
        document.mistakes.append(Mistake(Mark(shown), "", "not valid YAML: it holds characters that YAML forbids"))
    else:
        builder = _Builder(shown)
        try:
            data = builder.build(node, ()) if node else {}
        except _TooMuchError as error:
            document.mistakes.append(Mistake(Mark(shown, error.line), "", str(error)))
            return document
        if isinstance(data, dict):
            document.data = data
            document.marks |= builder.marks
            document.secrets = builder.secrets
        else:
            document.mistakes.append(Mistake(Mark(shown, 1), "", "must be a mapping: lines of the form `key: value`"))
        document.mistakes += [Mistake(mark, document.path(keys), text) for mark, keys, text in builder.mistakes]
    return document


def parse(text: str) -> Any:
    """A value written as YAML, as after `--set NAME=`; raises `yaml.YAMLError` or ValueError."""
    builder = _Builder("")
    try:
        node = yaml.compose(text, Loader=_Loader)
        value = builder.build(node, ()) if node else None
    except _TooMuchError as error:
        raise ValueError(str(error)) from error
    for _, _, message in builder.mistakes:
        raise ValueError(message)
    return value


class _TooMuchError(Exception):
    """A text that holds, or grows to, more than any pipeline does; says what, and in which line."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


class _Loader(yaml.BaseLoader):
    """PyYAML's reader of plain nodes, which otherwise calls itself for each level until Python gives up."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._level > _MOST_LEVELS:
            raise _TooMuchError(_TOO_DEEP, self.peek_event().start_mark.line + 1)  # type: ignore[no-untyped-call]
        self._level += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._level -= 1


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise _TooMuchError(f"is larger than {_MOST_BYTES // 1_000_000} MB: no pipeline is")
    return content.decode()


class _Builder:
    """Turns the nodes of one file into plain data, and notes their lines and what is wrong with them."""

    def __init__(self, shown: str) -> None:
        self.marks: dict[Keys, Mark] = {}
        self.secrets: set[Keys] = set()
        self.mistakes: list[tuple[Mark, Keys, str]] = []
        self._shown = shown
        self._open: set[int] = set()  # nodes being built: an alias may point back at one
        self._built = 0

    def build(self, node: yaml.Node, keys: Keys) -> Any:
        """The node's value; raises `_TooMuchError`."""
        self._built += 1
        if self._built > _MOST_VALUES:
            grows = "with all that aliases (*) repeat, it holds more than"
            raise self._too_much(keys, f"{grows} {_MOST_VALUES} values: no pipeline does")
        if len(keys) > _MOST_LEVELS:
            raise self._too_much(keys, _TOO_DEEP)
        if node.tag not in _TAGS:
            return self._mistake(node, keys, f"tags such as '{node.tag}' mean nothing here: leave it out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        if id(node) in self._open:
            return self._mistake(node, keys, "an alias (*) stands inside of what it refers to")
        self._open.add(id(node))
        built = self._mapping(node, keys) if isinstance(node, yaml.MappingNode) else self._list(node, keys)
        self._open.discard(id(node))
        return built

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        if not _ENV.search(node.value):
            return self._plain(node, keys) if node.style is None else node.value
        self.secrets.add(keys)
        # Stays text whatever it looks like: a password may be all digits.
        return _ENV.sub(lambda match: self._environment(match[1], node, keys), node.value)

    def _plain(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        """A value without quotes, by the core schema of YAML 1.2."""
        text = node.value
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if _INT.fullmatch(text):
            if len(text.lstrip("+-0x")) > _MOST_DIGITS:
                return self._mistake(node, keys, f"a number of more than {_MOST_DIGITS} digits")
            return int(text, 16) if text.startswith("0x") else int(text)
        if not _FLOAT.fullmatch(text):
            return text
        number = float(text)
        return number if math.isfinite(number) else self._mistake(node, keys, "a number that is too large")

    def _environment(self, name: str, node: yaml.Node, keys: Keys) -> str:
        if name not in os.environ:
            near = did_you_mean(name, os.environ, listed=0)
            self._mistake(node, keys, f"there is no environment variable '{name}'{near}")
        return os.environ.get(name, "")

    def _list(self, node: yaml.Node, keys: Keys) -> list[Any]:
        built = []
        for index, item in enumerate(node.value):
            self.marks[*keys, index] = self._mark(item)
            built.append(self.build(item, (*keys, index)))
        return built

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                self._mistake(key, keys, "a key must be a word, not a list or a mapping")
            elif name == "<<" and key.style is None:
                merged.append((key, value))
            elif name in own:
                first = self._mark(own[name][0]).line
                self._mistake(key, (*keys, name), f"written twice: first in line {first}")
            else:
                own[name] = key, value
        # What is taken in comes first: where the mapping's own keys say otherwise, they and their lines count.
        built: dict[str, Any] = {}
        for key, value in reversed(merged):
            built |= self._inherited(key, value, keys)
        for name, (key, value) in own.items():
            self.marks[*keys, name] = self._mark(key)
            built[name] = self.build(value, (*keys, name))
        return built

    def _inherited(self, key: yaml.Node, value: yaml.Node, keys: Keys) -> dict[str, Any]:
        """What `<<: *alias` brings in."""
        built = self.build(value, keys)
        if isinstance(built, dict):
            return built
        self._mistake(key, keys, "`<<` takes in one mapping")
        return {}

    def _too_much(self, keys: Keys, problem: str) -> _TooMuchError:
        """Of the topmost value that grows so; what an alias repeats stands in another line."""
        return _TooMuchError(problem, self.marks[keys[:1]].line)

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(self._shown, node.start_mark.line + 1)

    def _mistake(self, node: yaml.Node, keys: Keys, message: str) -> None:
        self.mistakes.append((self._mark(node), keys, message))


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without the text around it, which may hold a credential."""
    return " ".join(part for part in (error.context, error.problem) if part)
