"""Moments that a user has marked: this is it, this is not."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread
from vidpipe.core.nearest import did_you_mean
from vidpipe.results.store.queries import Store

COLUMNS = ("recording", "stream", "from", "to", "is", "said")
_NEEDED = ("stream", "from", "is")
_ANSWERS = {"yes": True, "y": True, "1": True, "true": True, "no": False, "n": False, "0": False, "false": False}
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
MOMENT_S = 1.0
"""Before and after a single moment."""
_MOST = 100_000
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Example:
    """A marked moment.

    Attributes:
        recording: name of the results file, without its suffix; "": whichever has the stream.
        begin, end: media seconds, as `pts` in results.
        yes: whether it is the event.
        said: what the classifier had said, where a person was asked about it; None where nobody was.
        where: file and line, or store and mark, for messages.
        run: when its run began, as results say; "": not known, and `recording` counts.
    """

    recording: str
    stream: str
    begin: float
    end: float
    yes: bool
    said: bool | None
    where: str
    run: str = ""

    def __str__(self) -> str:
        return f"{self.where} ({self.stream}, {self.begin:g} to {self.end:g} s)"


def read_examples(paths: Sequence[Path], event: str) -> list[Example]:
    """The examples of an event in several files: CSV, with a header that names the columns `stream`, `from`, `to`,
    `is`; or stores, in which the page keeps marks.

    Raises:
        ConfigError: a file cannot be read, or a line is no example; or the same moment is yes and no.
    """
    examples = [each for path in paths for each in (_marked(path, event) if is_store(path) else _read(path))]
    refuse_contradictions(examples)
    return examples


def is_store(path: Path) -> bool:
    """Whether that is a store, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # whoever reads it will say so


def _marked(path: Path, event: str) -> Iterator[Example]:
    """The marks of an event in a store."""
    with Store(path) as store:
        rows = store.marks()
    own = [row for row in rows if row["event"] == event]
    if not own:
        near = did_you_mean(event, sorted({row["event"] for row in rows}))
        raise ConfigError(f"store {path}: nobody has marked a moment of '{event}'{near}: mark some on the page")
    for row in own:
        span = row["stream"], row["began"], row["ended"], row["yes"]
        yield Example("", *span, row["said"], f"{path}, mark {row['id']} by {row['by']}", row["run"])


def _read(path: Path) -> Iterator[Example]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
            if missing:
                raise ConfigError(
                    f"examples {path}: the first line names no column `{missing[0]}`: it must be `stream,from,to,is`"
                )
            for row in rows:
                if rows.line_num > _MOST:
                    raise ConfigError(f"examples {path}: more than {_MOST} lines")
                yield _example(row, f"{path}:{rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"examples {path} cannot be read: {unread(error)}") from None


def _example(row: dict[str, str | None], where: str) -> Example:
    told = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not told["stream"]:
        raise ConfigError(f"{where}: it names no stream")
    yes = _ANSWERS.get(told["is"].lower())
    if yes is None:
        raise ConfigError(f"{where}: `is` must be yes or no, not '{told['is']}'")
    begin = _seconds(told["from"], where)
    if told["to"]:
        end = _seconds(told["to"], where)
        if end <= begin:
            raise ConfigError(f"{where}: it ends at {told['to']}, which is not after {told['from']}")
    else:
        begin, end = max(begin - MOMENT_S, 0.0), begin + MOMENT_S
    said = _ANSWERS.get(told["said"].lower())
    return Example(told["recording"], told["stream"], begin, end, yes, said, where)


def _seconds(written: str, where: str) -> float:
    """Media seconds of "12.5", "1:02.5" or "1:00:02"."""
    found = _TIME.fullmatch(written)
    if found is None:
        raise ConfigError(f"{where}: '{written}' is no time: write media seconds, or hours:minutes:seconds")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def refuse_contradictions(examples: Sequence[Example]) -> None:
    """Raise ConfigError where a moment is yes and no."""
    ordered = sorted(examples, key=lambda each: (each.run, each.recording, each.stream, each.begin))
    reach: dict[tuple[str, str, str, bool], Example] = {}  # the one that ends last, of those that began before
    for each in ordered:
        place = each.run, each.recording, each.stream
        other = reach.get((*place, not each.yes))
        if other is not None and other.end > each.begin:
            said = "yes" if each.yes else "no"
            raise ConfigError(
                f"{each} says {said}, and {other} says the opposite of the same moment: correct one of them"
            )
        own = reach.get((*place, each.yes))
        if own is None or own.end < each.end:
            reach[*place, each.yes] = each


def append_answer(path: Path, answer: Example) -> None:
    """Put an answer behind the examples of a file, with the header where it is new. Raises ConfigError."""
    row = {
        "recording": answer.recording,
        "stream": answer.stream,
        "from": f"{answer.begin:g}",
        "to": f"{answer.end:g}",
        "is": "yes" if answer.yes else "no",
        "said": "" if answer.said is None else "yes" if answer.said else "no",
    }
    try:
        columns = list(COLUMNS)
        new = not path.exists() or not path.stat().st_size
        if not new:
            with path.open(encoding="utf-8-sig", newline="") as file:
                columns = next(csv.reader(file, skipinitialspace=True), columns)
            if "said" not in columns or "to" not in columns:
                raise ConfigError(
                    f"examples {path}: its first line has no columns `to` and `said`: add them, or name another file"
                )
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"examples {path} cannot be written: {unread(error)}") from None
