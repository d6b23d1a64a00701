"""docs/benchmarks.md: figures, the commands that gave them, the machine, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.benches import Benched
from benchmarks.promises import Promise
from vidpipe.accuracy.figures import Coverage
from vidpipe.bench.figures import ClipFigures
from vidpipe.bench.report.candidate_table import COST, LABELS, TERMS, candidate_table
from vidpipe.bench.report.text import interval, number, stretch
from vidpipe.bench.report.verdict import verdict

HEAD = """# Benchmarks

Written by `make bench`; do not edit. The models are Open Model Zoo's person-vehicle-bike-detection 2001 (little) and
2003 (big), the clips real recordings of fixed cameras. Commands were given in the folder of the models.

[bench.md](bench.md) says what the candidates are and how they are scored. Runs of each, in turns: {repeats}.
A dash is undefined: there was nothing to count. Columns:
"""

TAIL = """
## What these figures do not show

- **Agreement is not truth.** Scores are against the big model's own answers unless a column says labels: what the big
  model misses does not count as an error.
- **Few clips, short ones.** {clips}. They say nothing of nights, rain, moving cameras, or weeks.
- **One clip, split in time.** Where the first part was fitted on and the rest scored, both show the same place. The
  settings of `{pipeline}` are the ones it ships with, for all clips; they were found by trying some on these clips, the
  scored parts included.
- **Threads.** The little model of `{pipeline}` infers on one thread, in every candidate that has it, the big one on
  all cores. With one it would take .8 to .9 of its CPU as well.
- **One machine.** Ratios carry over better than seconds, and change where a GPU infers.
- **Replay.** Recordings are read as fast as they are answered: nothing here is late or dropped.
- **The motion gate is of Frigate's kind, not Frigate**: the detector runs on whole pictures rather than regions, and
  until the gate has calibrated itself (never, in clips as short or busy as TUD-Stadtmitte and junction) at 5 a second.
- **Ultralytics' own loop** is missing: none of the shared models is one that it runs.
"""


def document(promises: Sequence[Promise], benched: Sequence[Benched], floors: str = "", decoding: str = "") -> str:
    """The whole page; `floors` is the section on days that change, `decoding` that on what is left undecoded."""
    lines: list[str] = []
    if benched:
        bench = benched[0].figures
        lines.append(HEAD.format(repeats=bench.repeats))
        lines += [*(f"- **{term}**: {meaning}" for term, meaning in TERMS.items()), "", *_machine(benched)]
        for command, figures in benched:
            for clip in figures.clips:
                lines += _clip(clip, command)
    if floors:
        lines.append(floors)
    if decoding:
        lines.append(decoding)
    if promises:
        lines += ["## Promises", "", "`python -m benchmarks promises`: median (least-most).", ""]
        lines += _table(("figure", "measured", "wanted"), promises)
    if benched:
        names = ", ".join(
            f"{clip.clip} {clip.scored.end_s - clip.scored.start_s:.0f} s"
            for _, figures in benched
            for clip in figures.clips
        )
        lines.append(TAIL.format(clips=f"Scored are {names}", pipeline=benched[0].figures.pipeline))
    return "\n".join(lines).rstrip() + "\n"


def _machine(benched: Sequence[Benched]) -> Iterator[str]:
    figures = benched[0].figures
    machine = figures.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    cores = f"{machine.cores} cores, {machine.memory_gb:.0f} GB"
    yield f"{figures.made_at[:10]}, {machine.processor}, {cores}, {machine.system}."
    yield f"Python {machine.python}, {versions}."
    yield ""


def _clip(clip: ClipFigures, command: str) -> Iterator[str]:
    said = verdict(clip)
    table = candidate_table(clip)
    yield from (f"## {clip.clip}", "", f"    {command}", "", said.headline, "")
    yield from (f"- {loss}" for loss in said.losses)
    yield f"- {clip.frames} frames of {clip.width}x{clip.height}, {clip.fps:g} a second."
    yield f"- Scored: {stretch(clip.scored)}{_fitted(clip)}."
    yield f"- Reference: {clip.reference.what}."
    yield from (f"- Warning: {warning}." for warning in clip.warnings)
    yield from (f"- {note[0].upper()}{note[1:]}." for note in clip.notes)
    yield from (f"- {_audits(told)}" for told in clip.coverage)
    yield from (f"- {each.name}: {each.what}." for each in clip.candidates if each.kind in ("static", "uniform"))
    yield ""
    yield from _table(("", *COST), [(row.name, *row.cost) for row in table.rows if row.cost])
    if table.labelled:
        yield from ("Against labels:", "")
        yield from _table(("", *LABELS), [(row.name, *row.labels) for row in table.rows if row.labels])


def _fitted(clip: ClipFigures) -> str:
    if clip.fitted is not None:
        return f"; fitted on: {stretch(clip.fitted)}"
    return f"; fitted on {', '.join(clip.fitted_on)}" if clip.fitted_on else ""


def _audits(told: Coverage) -> str:
    found = f"missed {number(told.rate)} ({interval(told.low, told.high)})" if told.audited else "too few to say"
    return f"Audits of {told.stage}: {told.audited}, {found}; really missed {told.missed} of {told.answered}."


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""
