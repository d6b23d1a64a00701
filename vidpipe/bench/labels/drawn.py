"""What people drew, as a file of labels says it: before its classes are the pipeline's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The boxes of a file.

    Attributes:
        boxes: `label` indexes `names`; all 0 where the file names no classes.
        names: in the file's own words; empty where it has none.
        all_named: `names` are all that was looked for, also where no box bears them; if not, only what was drawn was.
        frames: that were looked at; None: all.
        notes: how the file was understood, where it could have been otherwise.
    """

    boxes: Boxes
    names: tuple[str, ...]
    all_named: bool
    frames: list[int] | None
    notes: list[str]


def refuse_other_size(where: str, width: int | None, height: int | None, clip: Series) -> None:
    """Raise ConfigError where labels were drawn on pictures of another size than the clip's."""
    if (width or clip.width, height or clip.height) != (clip.width, clip.height):
        raise ConfigError(
            f"labels {where}: drawn on pictures of {width or '?'} x {height or '?'}, the clip's are "
            f"{clip.width} x {clip.height}: scale the clip or the labels"
        )


def refuse_beyond(path: Path, last: int, clip: Series) -> None:
    """Raise ConfigError where labels go on after the clip's end; `last` counts frames from 1."""
    if last > clip.frames:
        raise ConfigError(f"labels {path} reach to frame {last}, the clip has {clip.frames}: are they of this clip?")
