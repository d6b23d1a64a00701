"""What audits have taught of a learnt scene stays beside it, so that the next run need not miss the same again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import write_whole


@dataclass(frozen=True, slots=True)
class ThresholdOverride:
    """A threshold that took the place of a scene's own.

    Attributes:
        empty_below: score against the empty scene under which nothing is there.
        reason: in words, for a human.
        changed_at: UTC, ISO 8601.
    """

    empty_below: float
    reason: str
    changed_at: str


def file_of(scene: Path) -> Path:
    """Where it is kept."""
    return scene.with_suffix(".loosened.json")


def write_override(scene: Path, empty_below: float, reason: str) -> None:
    """Keep a threshold for the runs to come. Raises RunError."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps(asdict(ThresholdOverride(empty_below, reason, now)), indent=1) + "\n"
    write_whole(file_of(scene), text, "threshold", private=True)


def read_override(scene: Path) -> ThresholdOverride | None:
    """The threshold that was kept; None where there is none. Raises ConfigError where it cannot be read."""
    file = file_of(scene)
    try:
        kept = ThresholdOverride(**json.loads(file.read_text(encoding="utf-8")))
        return ThresholdOverride(float(kept.empty_below), str(kept.reason), str(kept.changed_at))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"threshold {file} is damaged or cannot be read ({type(error).__name__})") from None
