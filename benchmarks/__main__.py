"""`make bench`: measures what is promised, benches every real clip, and writes docs/benchmarks.md of both.

`python -m benchmarks promises [KIND ...]`, `clips [NAME ...]` and `page` are its parts; what the first two find is
kept in bench-output/. Each of `PARTS` measures one thing by itself: `python -m benchmarks PART [NAME ...]`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.benches import run_benches, what_was_found
from benchmarks.document import document
from benchmarks.floor_section import section
from benchmarks.promises import Promise, promises

PAGE = Path("docs/benchmarks.md")
REPORTS = Path("bench-output").absolute()  # some parts work in the folder of the models
KEPT = REPORTS / "promises.json"


class Part(NamedTuple):
    """Something that is measured by itself.

    Attributes:
        module: its `report(names, folder)` gives the lines.
        what: it tells, and what it takes.
        for_page: whether its lines, where nothing is named, are a section of the page.
    """

    module: str
    what: str
    for_page: bool = False


PARTS = {
    "cameras": Part("cameras", "how many cameras this machine holds; needs GStreamer's RTSP server, and an hour"),
    "chameleon": Part("chameleon", "what it takes to judge cameras alone, by Chameleon"),
    "groups": Part("groups", "what it takes to judge cameras in groups, by the tuner of floors"),
    "held": Part("held", "what floors of accuracy hold and cost on each clip; an hour the first time"),
    "floor": Part("floor", "what a floor is worth on days that change; an hour of looks. Its figures are for the page"),
    "decoding": Part("decoding", "what it saves to decode less; ten minutes", for_page=True),
    "queries": Part("queries", "what several queries on one camera cost; ten minutes", for_page=True),
    "across": Part("across", "what it takes to follow people over cameras; ten minutes", for_page=True),
    "taught": Part("taught", "what an event is worth that examples teach; ten minutes the first time", for_page=True),
    "together": Part("together", "when one more camera of a group has its gate; an hour of a core", for_page=True),
    "tiles": Part("tiles", "one picture in tiles on several machines; a minute", for_page=True),
    "links": Part("links.report", "what links do; half an hour, and it keeps sections for the page by itself"),
    "learner": Part("learner.report", "what a detector that learns its camera is worth (docs/learner.md); an hour"),
    "reuse": Part("reuse", "what a detector is worth that computes its first layers alone, for the same page"),
    "compress": Part("compress", "how much smaller models can be (docs/models.md); hours"),
    "planner": Part("planner", "how good plans are, and how near to what a run takes (docs/plan.md); minutes"),
}


def measure_promises(kinds: Sequence[str]) -> None:
    """Print each figure as it is measured, and keep it for the page in place of an earlier one."""
    with TemporaryDirectory() as folder:
        for promise in promises(kinds, Path(folder)):
            print(f"{promise.what:62} {promise.figure:24} {promise.target}", flush=True)  # noqa: T201
            KEPT.write_text(json.dumps(_kept() | {promise.what: (promise.figure, promise.target)}))


def measure(name: str, names: Sequence[str]) -> None:
    """Print the lines of a part as they come, and keep them if they are for the page."""
    part = PARTS[name]
    lines = []
    for line in import_module(f"benchmarks.{part.module}").report(names, REPORTS):
        print(line, flush=True)  # noqa: T201
        lines.append(f"{line}\n")
    if part.for_page and not names:
        _section(name).write_text("".join(lines))


def write_page() -> None:
    """Write docs/benchmarks.md of what is kept."""
    from benchmarks.links.report import section as links_section

    known = [Promise(what, *measured) for what, measured in _kept().items()]
    files = [_section(name) for name, part in PARTS.items() if part.for_page]
    sections = [file.read_text() for file in files if file.is_file()]
    PAGE.write_text(
        document(
            known,
            list(what_was_found(REPORTS)),
            section(REPORTS / "floor.json"),
            "\n".join(filter(None, (*sections, links_section(REPORTS)))),
        )
    )
    print(f"written: {PAGE}; reports: {REPORTS}/*/bench.html")  # noqa: T201


def _kept() -> dict[str, tuple[str, str]]:
    return json.loads(KEPT.read_text()) if KEPT.is_file() else {}


def _section(name: str) -> Path:
    return REPORTS / f"{name}.md"


def main() -> None:
    name, *names = sys.argv[1:] or ["all"]
    REPORTS.mkdir(exist_ok=True)
    if name in PARTS:
        measure(name, names)
    elif name not in ("all", "promises", "clips", "page"):
        told = "".join(f"\n  {part:10} {known.what}" for part, known in PARTS.items())
        sys.exit(f"no part '{name}': there are all, promises, clips, page, and{told}")
    if name in ("all", "promises"):
        measure_promises(names)
    if name in ("all", "clips"):
        run_benches(REPORTS, names)
    if name in ("all", "page"):
        write_page()


if __name__ == "__main__":
    main()
