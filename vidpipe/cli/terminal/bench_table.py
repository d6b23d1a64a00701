"""What a bench says in the terminal: for each clip the verdict, a table of all candidates, and what to know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from vidpipe.bench.figures import Bench, ClipFigures
from vidpipe.bench.report.candidate_table import LABELS, Cell, Row, candidate_table
from vidpipe.bench.report.text import stretch
from vidpipe.bench.report.verdict import verdict


def print_bench(bench: Bench) -> None:
    """Print it to stdout."""
    for clip in bench.clips:
        _print_clip(clip)
    repeats = "one run" if bench.repeats == 1 else f"median of {bench.repeats} runs"
    _say(Console(highlight=False), f"{repeats} of each, engine {bench.engine}, on {bench.machine.processor}", "dim")


def _print_clip(clip: ClipFigures) -> None:
    console = Console(highlight=False)
    said, table = verdict(clip), candidate_table(clip)
    _say(console, f"{clip.clip}: {clip.width}x{clip.height}, {clip.fps:g} fps; scored {stretch(clip.scored)}", "bold")
    _say(console, said.headline)
    for loss in said.losses:
        _say(console, loss, "bold red")
    for warning in clip.warnings:
        _say(console, f"warning: {warning}", "yellow")
    console.print()
    _show(_table("", table.columns, [(row, row.cost) for row in table.rows if row.cost]))
    if table.labelled:
        console.print()
        _show(_table("against labels", LABELS, [(row, row.labels) for row in table.rows if row.labels]))
    console.print()
    for number, footnote in enumerate(table.footnotes, 1):
        _say(console, f"[{number}] {footnote}", "dim")
    for line in (*table.legend, *_beneath(clip), *clip.notes):
        _say(console, line, "dim")
    console.print()


def _table(first: str, columns: Sequence[str], rows: Sequence[tuple[Row, Sequence[Cell]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(first))
    for index, column in enumerate(columns):
        # Told the least width, rich takes it from the names; else it cuts figures as soon as names.
        least = max([len(column), *(len(str(cells[index])) for _, cells in rows)])
        table.add_column(column, justify="right", no_wrap=True, min_width=least)
    for row, cells in rows:
        marks = "".join(f" [{note}]" for note in row.notes)
        style = "bold" if row.own else None
        table.add_row(Text(row.name + marks), *(Text(str(cell)) for cell in cells), style=style)
    return table


def _show(table: Table) -> None:
    """As wide as its figures need: rich would rather cut them off than go beyond the width that it assumes."""
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(max_width=1000), table)
    width = needed.minimum if console.is_terminal else needed.maximum
    Console(highlight=False, width=max(console.width, width)).print(table)


def _beneath(clip: ClipFigures) -> Iterator[str]:
    """What the candidates are held against, and what the static ones are."""
    looked = f"{clip.reference.looked} frames looked at now, {clip.reference.cached} from the cache"
    yield f"reference: {clip.reference.what} ({looked})"
    for candidate in clip.candidates:
        if candidate.kind == "static":
            yield f"{candidate.name}: {candidate.what}"
    if clip.fitted is not None:
        yield f"static configurations were chosen on {stretch(clip.fitted)}, which no score counts"
    elif clip.fitted_on:
        yield f"static configurations were chosen on {', '.join(clip.fitted_on)}, which no score counts"


def _say(console: Console, text: str, style: str = "") -> None:
    """A line that wraps in a terminal and is left whole where it is piped."""
    console.print(Text(text, style), soft_wrap=not console.is_terminal)
