"""Every gate that a stream has had, why it came, and which one is in force: a folder that can be rolled back.

0001.gate 0002.gate ...   the gates
versions.json             which is in force, and each change with its reason and evidence, oldest first
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidpipe.core.errors import ModelError, RunError
from vidpipe.core.files import write_whole
from vidpipe.models.gate import SUFFIX, Gate

MOST = 100  # gates kept; of older ones what stands in versions.json remains

EMPTY_RECOGNISED = "empty_recognised"
"""In a gate's evidence: share of the frames without a target that it answered in validation."""

_FILE = "versions.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of what is in force.

    Attributes:
        number: of the version from then on; None: none, every frame is passed on.
        reason: in words, for a human.
        changed_at: UTC, ISO 8601.
        pts: media time of the stream, seconds; None where it did not happen in a run.
        evidence: of the gate, as it was trained and validated.
    """

    number: int | None
    reason: str
    changed_at: str
    pts: float | None
    evidence: Mapping[str, Any]


class Versions:
    """The versions in a folder, which need not be there yet.

    Raises:
        ModelError: its versions.json is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history: Sequence[Change] = _read(folder / _FILE)

    @property
    def active(self) -> int | None:
        """Number of the version in force; None where there is none."""
        return self.history[-1].number if self.history else None

    @property
    def numbers(self) -> list[int]:
        """Of all gates that are there, ascending."""
        return sorted(int(file.stem) for file in self.folder.glob(f"[0-9]*{SUFFIX}") if file.stem.isdigit())

    def path(self, number: int) -> Path:
        """Where a version's gate lies."""
        return self.folder / f"{number:04d}{SUFFIX}"

    def gate(self) -> Gate | None:
        """The gate in force, or None. Raises ModelError where it cannot be read."""
        return None if self.active is None else Gate.load(self.path(self.active))

    def add(self, gate: Gate, reason: str, pts: float | None = None) -> int:
        """Keep a new version and put it in force; gives its number. Raises RunError where the disk is full."""
        made_private(self.folder)
        number = max([*self.numbers, *(change.number or 0 for change in self.history)], default=0) + 1
        gate.save(self.path(number))
        self._change(number, reason, pts, gate.evidence)
        for old in [known for known in self.numbers if known != number][: -MOST + 1]:
            self.path(old).unlink(missing_ok=True)
        return number

    def activate(self, number: int, reason: str, pts: float | None = None) -> None:
        """Put a version that is there in force. Raises ModelError where it is not, or cannot be read."""
        self._change(number, reason, pts, Gate.load(self.path(number)).evidence)

    def rollback(self, reason: str = "rolled back") -> int | None:
        """Put in force what was before the version in force; None where that was nothing.

        Raises:
            ModelError: nothing is in force, or the gate before is gone or damaged.
        """
        if self.active is None:
            raise ModelError(f"gates {self.folder}: no version is in force: there is nothing to roll back")
        # What was before the active one first came: so a second rollback goes further back, not to and fro.
        first = next(at for at, change in enumerate(self.history) if change.number == self.active)
        before = self.history[first - 1].number if first else None
        if before is None:
            self._change(None, reason, None, {})
        else:
            self.activate(before, reason)
        return before

    def _change(self, number: int | None, reason: str, pts: float | None, evidence: Mapping[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.history = [*self.history, Change(number, reason, now, pts, evidence)]
        lines = [{name: getattr(change, name) for name in Change.__slots__} for change in self.history]
        write_whole(self.folder / _FILE, json.dumps(lines, indent=1) + "\n", "versions")


def made_private(folder: Path) -> Path:
    """Make the folder, for its owner alone to read: what it holds shows the scene. Raises RunError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"gates {folder}: cannot be made: {error.strerror}") from None
    return folder


def with_thresholds(gate: Gate, low: float | None, high: float | None, **evidence: Any) -> Gate:
    """The gate with thresholds, and what speaks for them."""
    return replace(gate, low=low, high=high, evidence={**gate.evidence, **evidence})


def _read(file: Path) -> list[Change]:
    if not file.exists():
        return []
    try:
        return [Change(**line) for line in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"gates {file}: damaged or cannot be read ({type(error).__name__})") from error
