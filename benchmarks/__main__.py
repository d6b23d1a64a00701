"""`make bench`: measures what is promised, benches every real clip, and writes docs/benchmarks.md of both.

`python -m benchmarks promises [KIND ...]`, `clips [NAME ...]` and `page` are its parts; what the first two find is
kept in bench-output/. `python -m benchmarks cameras` says how many cameras this machine holds, `chameleon` and `groups`
what it takes to judge cameras alone and in groups, by Chameleon and by the tuner of floors, `held` what floors of
accuracy hold and cost on each clip, `floor` what one is worth on days that change, `decoding` what it saves to decode
less, `queries` what several queries on one camera cost, `across` what it takes to follow people over cameras, and
`links` what links do: these are for the page, too. `together` says when one more camera of a group has its gate.
`learner` tells what a detector that learns its camera is worth, `reuse` what one that computes its first layers alone,
`planner` how good plans are, and how near to what a run takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.benches import run_benches, what_was_found
from benchmarks.document import document
from benchmarks.floor_section import section
from benchmarks.promises import Promise, promises

PAGE = Path("docs/benchmarks.md")
REPORTS = Path("bench-output").absolute()  # some parts work in the folder of the models
KEPT = REPORTS / "promises.json"
FLOORS = "floor.json"
DECODING = "decoding.md"
QUERIES = "queries.md"
ACROSS = "across.md"
TOGETHER = "together.md"


def measure_promises(kinds: Sequence[str]) -> None:
    """Print each figure as it is measured, and keep it for the page in place of an earlier one."""
    REPORTS.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        for promise in promises(kinds, Path(folder)):
            print(f"{promise.what:62} {promise.figure:24} {promise.target}", flush=True)  # noqa: T201
            KEPT.write_text(json.dumps(_kept() | {promise.what: (promise.figure, promise.target)}))


def write_page() -> None:
    """Write docs/benchmarks.md of what is kept."""
    from benchmarks.links.report import section as links_section

    known = [Promise(what, *measured) for what, measured in _kept().items()]
    parts = (REPORTS / DECODING, REPORTS / QUERIES, REPORTS / ACROSS, REPORTS / TOGETHER)
    PAGE.write_text(
        document(
            known,
            list(what_was_found(REPORTS)),
            section(REPORTS / FLOORS),
            "\n".join(filter(None, (*map(_text, parts), links_section(REPORTS)))),
        )
    )
    print(f"written: {PAGE}; reports: {REPORTS}/*/bench.html")  # noqa: T201


def _kept() -> dict[str, tuple[str, str]]:
    return json.loads(KEPT.read_text()) if KEPT.is_file() else {}


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def main() -> None:
    part, *names = sys.argv[1:] or ["all"]
    if part == "cameras":  # not for the page: it needs GStreamer's RTSP server, and an hour
        from benchmarks.cameras import capacity

        capacity(names)
    if part == "chameleon":  # nor this: no camera is in it
        from benchmarks.chameleon import report

        for line in report():
            print(line)  # noqa: T201
    if part == "groups":  # the same
        from benchmarks.groups import report as grouped

        for line in grouped():
            print(line)  # noqa: T201
    if part == "floor":  # an hour of looks
        from benchmarks import floor

        REPORTS.mkdir(exist_ok=True)
        for line in floor.report(names, REPORTS, REPORTS / FLOORS):
            print(line, flush=True)  # noqa: T201
    if part == "decoding":  # ten minutes
        from benchmarks import decoding

        REPORTS.mkdir(exist_ok=True)
        lines = []
        for line in decoding.report(names, REPORTS):
            print(line, flush=True)  # noqa: T201
            lines.append(f"{line}\n")
        if not names:
            (REPORTS / DECODING).write_text("".join(lines))
    if part == "queries":  # ten minutes
        from benchmarks.queries import report as queries

        REPORTS.mkdir(exist_ok=True)
        lines = []
        for line in queries(names):
            print(line, flush=True)  # noqa: T201
            lines.append(f"{line}\n")
        if not names:
            (REPORTS / QUERIES).write_text("".join(lines))
    if part == "across":  # two minutes; for the page, too
        from benchmarks.across import report as across

        REPORTS.mkdir(exist_ok=True)
        text = across()
        print(text)  # noqa: T201
        (REPORTS / ACROSS).write_text(text)
    if part == "together":  # an hour of one core; for the page, too
        from benchmarks.together import report as together

        REPORTS.mkdir(exist_ok=True)
        lines = []
        for line in together(names):
            print(line, flush=True)  # noqa: T201
            lines.append(f"{line}\n")
        if not names:
            (REPORTS / TOGETHER).write_text("".join(lines))
    if part == "learner":  # nor this: docs/learner.md tells what it found; an hour
        from benchmarks.learner.report import report as learner

        for line in learner(names, REPORTS):
            print(line, flush=True)  # noqa: T201
    if part == "reuse":  # some minutes, for the same page
        from benchmarks.reuse import report as reuse

        for line in reuse(names):
            print(line, flush=True)  # noqa: T201
    if part == "links":  # half an hour; for the page, too
        from benchmarks.links.report import report as links

        REPORTS.mkdir(exist_ok=True)
        for line in links(names, REPORTS):
            print(line, flush=True)  # noqa: T201
    if part == "planner":  # minutes, and another machine's figures are its own
        from benchmarks.planner import report as planner

        for line in planner(names):
            print(line, flush=True)  # noqa: T201
    if part == "held":  # nor this: it takes an hour the first time
        from benchmarks.held import report as held

        for line in held(names):
            print(line, flush=True)  # noqa: T201
    if part in ("all", "promises"):
        measure_promises(names)
    if part in ("all", "clips"):
        run_benches(REPORTS, names)
    if part in ("all", "page"):
        write_page()


if __name__ == "__main__":
    main()
