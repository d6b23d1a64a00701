"""Labels in the form of the MOT Challenge (Milan et al., MOT16, arXiv:1603.00831, section 4): a box a line."""

from __future__ import annotations

import configparser
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.drawn import Drawn, refuse_beyond, refuse_other_size
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread

_MOT16 = {1: "pedestrian", 3: "car", 4: "bicycle", 5: "motorbike"}
_LIKE_PEDESTRIANS = (2, 7, 8, 12)  # on a vehicle, never moving, a distractor, a reflection: neither right nor wrong
_COLUMNS = (7, 9, 10)
_WITH_CLASS = 9


def read_mot(path: Path, text: str, clip: Series) -> Drawn:
    """Lines of `frame, id, x, y, w, h, conf` and, of some years, more; frames from 1.

    With 9 columns the last two are class and visibility, as in MOT16 and after. What a class number means stands in a
    file of names beside it (`names_path`), one a line from class 1; without one it is what MOT16 says: 1 pedestrian,
    3 car, 4 bicycle, 5 motorbike; 2, 7, 8 and 12 are ignored pedestrians; others are left out. With 7 or 10 columns,
    as in MOT15, there are no classes: the last three are a place in the world. `conf` 0 marks a box that is not to
    count, a negative id one without identity. x and y are taken as pixels from 0: the Challenge counts them from 1,
    most tools do not, and a score at IoU 0.5 hardly knows the difference.

    A `seqinfo.ini`, beside the file or above its folder `gt`, must tell the clip's size and length.

    Raises:
        ConfigError: a line is malformed, or the labels are not of this clip.
    """
    _refuse_other_sequence(path, clip)
    rows = _rows(path, text)
    frame = rows[:, 0].astype(np.int64)
    refuse_beyond(path, int(frame.max()), clip)
    meaning = _meaning(path, rows)
    boxes = Boxes.of(
        frame - 1,
        np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]),
        label=meaning.label,
        track=np.maximum(rows[:, 1], -1).astype(np.int64),
        ignored=meaning.ignored | (rows[:, 6] == 0),
    )
    notes = list(meaning.notes)
    if frame.max() < clip.frames:
        notes.append(f"the last label is of frame {frame.max()} of {clip.frames}: the rest counts as empty")
    return Drawn(boxes[boxes.label >= 0], meaning.names, meaning.all_named, None, notes)


def names_path(path: Path) -> Path:
    """Where the names of a file's classes stand, if they are its own; else `labels.txt`, as CVAT exports it."""
    return path.with_suffix(".labels.txt")


class _Meaning(NamedTuple):
    """What the class column says: `label` is -1 where a box is left out, `names` and `all_named` are Drawn's."""

    label: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    names: tuple[str, ...]
    all_named: bool
    notes: tuple[str, ...]


def _meaning(path: Path, rows: NDArray[np.float64]) -> _Meaning:
    none_ignored = np.zeros(len(rows), bool)
    if rows.shape[1] != _WITH_CLASS:
        return _Meaning(np.zeros(len(rows), np.int64), none_ignored, (), False, ())
    number = rows[:, 7].astype(np.int64)
    for file in (names_path(path), path.with_name("labels.txt")):
        if file.is_file() and file != path:
            names = _names(file, path, number)
            return _Meaning(number - 1, none_ignored, names, True, (f"names of classes from {file.name}",))
    like_pedestrians = np.isin(number, _LIKE_PEDESTRIANS)
    label = np.select([like_pedestrians, *(number == key for key in _MOT16)], [0, *range(len(_MOT16))], -1)
    meant = ", ".join(f"{key} {name}" for key, name in _MOT16.items())
    note = f"neither {names_path(path).name} nor labels.txt names the classes: they are taken as MOT16's, {meant}"
    return _Meaning(label, like_pedestrians, tuple(_MOT16.values()), False, (note,))


def _names(file: Path, path: Path, number: NDArray[np.int64]) -> tuple[str, ...]:
    try:
        names = tuple(file.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"labels {file} cannot be read: {unread(error)}") from None
    names = tuple(name.strip() for name in names if name.strip())
    if number.min() < 1 or number.max() > len(names):
        wrong = number.max() if number.max() > len(names) else number.min()
        raise ConfigError(f"labels {path}: a box has class {wrong}, {file.name} names 1 to {len(names)}")
    return names


def _rows(path: Path, text: str) -> NDArray[np.float64]:
    """All lines, [n, columns]."""
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(_row(line, len(rows[0]) if rows else None))
            except ValueError as error:
                raise ConfigError(f"labels {path}:{number}: {error}: {line.strip()[:80]!r}") from None
    if not rows:
        raise ConfigError(f"labels {path}: no label in it")
    return np.array(rows, np.float64)


def _row(line: str, columns: int | None) -> list[float]:
    """Raises ValueError, saying what is wrong."""
    try:
        row = [float(part) for part in line.split(",")]
    except ValueError:
        raise ValueError("not numbers with commas between them") from None
    if len(row) not in _COLUMNS:
        raise ValueError(f"{len(row)} columns, where MOT has {', '.join(map(str, _COLUMNS[:-1]))} or {_COLUMNS[-1]}")
    if columns not in (None, len(row)):
        raise ValueError(f"{len(row)} columns, where the first line has {columns}")
    for wrong, why in (
        (not all(map(math.isfinite, row)), "a number is not finite"),
        (row[0] < 1 or row[0] % 1, "frames count from 1"),
        (row[1] % 1, "the id is no whole number"),
        (row[4] <= 0 or row[5] <= 0, "a box without area"),
        (len(row) == _WITH_CLASS and row[7] % 1, "the class is no whole number"),
    ):
        if wrong:
            raise ValueError(why)
    return row


def _refuse_other_sequence(path: Path, clip: Series) -> None:
    folders = [path.parent, path.absolute().parent.parent] if path.absolute().parent.name == "gt" else [path.parent]
    for file in (folder / "seqinfo.ini" for folder in folders):
        if not file.is_file():
            continue
        told = configparser.ConfigParser(interpolation=None)
        try:
            told.read(file, encoding="utf-8")
            width, height, frames = (
                told.getint("Sequence", key, fallback=None) for key in ("imWidth", "imHeight", "seqLength")
            )
        except (configparser.Error, OSError, ValueError) as error:
            raise ConfigError(f"labels {file} cannot be read: {str(error).splitlines()[0]}") from None
        refuse_other_size(str(file), width, height, clip)
        if frames not in (None, clip.frames):
            raise ConfigError(f"labels {file}: of a sequence of {frames} frames, the clip has {clip.frames}")
