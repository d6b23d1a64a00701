"""What a user wrote, as plain data in which every value knows where it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vidpipe.pipeline.yaml.diagnostics import Keys, Mark, Mistake

_ABSENT = object()


@dataclass(slots=True)
class Document:
    """What a user wrote, as plain data.

    Attributes:
        data: mappings (their keys are always strings), lists, strings, numbers, booleans, None.
        marks: where each value was written, by its place: the line of its key, or of the item of a list.
        origins: the files and options that it was put together from, in order.
        secrets: the places of values that came out of the environment: not to be shown.
        mistakes: what was wrong with the text itself.
    """

    data: dict[str, Any] = field(default_factory=dict)
    marks: dict[Keys, Mark] = field(default_factory=dict)
    origins: list[str] = field(default_factory=list)
    secrets: set[Keys] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)

    def value(self, keys: Keys) -> Any:
        """What is written at this place, None where nothing is."""
        value: Any = self.data
        for key in keys:
            value = _child(value, key)
        return None if value is _ABSENT else value

    def mapping(self, keys: Keys) -> dict[str, Any]:
        """The mapping that is written at this place, an empty one where there is none."""
        value = self.value(keys)
        return value if isinstance(value, dict) else {}

    def has(self, keys: Keys) -> bool:
        """Whether something is written at this place, be it `null`."""
        return not keys or _child(self.value(keys[:-1]), keys[-1]) is not _ABSENT

    def mark(self, keys: Keys) -> Mark:
        """Where a value was written, or what encloses it if it was not written at all."""
        while keys not in self.marks:
            keys = keys[:-1]
        return self.marks[keys]

    def path(self, keys: Keys) -> str:
        """A place as users write it: "stages.gate.threshold" and not "stages.1.threshold"."""
        return ".".join(self._name(keys[:depth]) for depth in range(1, len(keys) + 1))

    def _name(self, keys: Keys) -> str:
        item = self.value(keys)
        return str(item["id"] if isinstance(keys[-1], int) and isinstance(item, dict) and "id" in item else keys[-1])

    def mistake(self, keys: Keys, message: str, *, at: Keys | None = None) -> None:
        """Note that something is wrong with the value at `keys`, written at `at` if that is another place."""
        self.mistakes.append(Mistake(self.mark(keys if at is None else at), self.path(keys), message))

    def ordered(self) -> list[Mistake]:
        """The mistakes in the order in which things were written: pipeline, configuration, command line."""
        return sorted(self.mistakes, key=lambda mistake: (self.origins.index(mistake.mark.file), mistake.mark.line))

    def merge(self, other: Document) -> None:
        """Take in another document: mappings are merged, any other value of the other one replaces what is here."""
        self.data = _merge(self.data, other.data)
        self.marks = self.marks | other.marks | {(): self.marks[()]}
        self.origins += other.origins
        self.secrets |= other.secrets
        self.mistakes += other.mistakes

    def put(self, keys: Keys, value: Any, mark: Mark) -> None:
        """Set a value in place of what was there; mappings that are not there yet are made."""
        parent: Any = self.data
        for depth, key in enumerate(keys[:-1], 1):
            if self.value(keys[:depth]) is None:
                parent[key] = {}
                self.marks[keys[:depth]] = mark
            parent = parent[key]
        parent[keys[-1]] = value
        self.marks = {place: at for place, at in self.marks.items() if place[: len(keys)] != keys} | {keys: mark}


def _child(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key, _ABSENT)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return _ABSENT


def _merge(upper: Any, lower: Any) -> Any:
    if not (isinstance(upper, dict) and isinstance(lower, dict)):
        return lower
    return upper | {key: _merge(upper[key], value) if key in upper else value for key, value in lower.items()}
