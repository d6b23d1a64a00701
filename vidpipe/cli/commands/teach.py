"""`vidpipe teach`: learn an event from marked moments, or answer its questions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import check_writable

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False}


@dataclass(frozen=True, slots=True)
class TeachOptions:
    """What the user asked for."""

    event: str
    examples: Sequence[Path]
    results: Sequence[Path]
    out: Path | None
    features: str | None
    window_s: float
    events: Sequence[Path]


def run_teach(options: TeachOptions) -> int:
    """Teach, and say what it is worth; the exit status. Raises ConfigError, RunError."""
    from vidpipe.teaching.examples import read_examples
    from vidpipe.teaching.teach import Lesson, teach

    if options.events:
        raise ConfigError("--events is for --review: to teach, give --results")
    if not options.results:
        raise ConfigError("--results is missing: give what `vidpipe run --results` has written of the marked time")
    out = options.out or Path(f"{options.event}.event")
    if "/" in options.event and options.out is None:
        raise ConfigError(f"'{options.event}' is a path: name the event, and give --out")
    if any(out.exists() and path.exists() and out.samefile(path) for path in (*options.examples, *options.results)):
        raise ConfigError(f"--out {out} is read as well: write to another file")
    check_writable(out, "--out", replaced=True)
    inputs = (
        None if options.features is None else [name.strip() for name in options.features.split(",") if name.strip()]
    )
    lesson = Lesson(options.event, inputs or None, options.window_s)
    taught = teach(lesson, read_examples(options.examples, options.event), options.results)
    taught.classifier.write(out)
    console = _console()
    for line in _told(taught.classifier.figures):
        console.print(line)
    for warning in taught.warnings:
        _console(stderr=True).print(f"warning: {warning}")
    console.print(f"{out}: write it into a rule, {{id: {options.event}, kind: learnt, event: {out}}}")
    return 0


def _told(figures: Mapping[str, Any]) -> list[str]:
    held = figures["held_back"]
    marked = held["found"] + held["missed"]
    lines = [
        f"on the latest {marked} yes and what was said beside them, which it had not seen: {held['found']} found, "
        f"{held['missed']} missed, {held['wrong']} wrong, {held['unmarked']} where nothing is marked"
    ]
    for name, shown in (("precision", "precision"), ("recall", "recall"), ("f1", "F1 of events")):
        rate = held[name]
        if rate["estimate"] is not None:
            lines.append(f"{shown} {rate['estimate']:.2f} (95 %: {rate['low']:.2f} to {rate['high']:.2f})")
        else:
            lines.append(f"{shown} is not known: nothing was told")
    return lines + _rates(figures.get("reviewed", {}))


def _rates(reviewed: Mapping[str, Any]) -> list[str]:
    says = {"missed": "quiet windows had it all the same", "false": "told events were none"}
    return [
        f"by your answers {rate['wrong']} of {rate['of']} {says[name]}: {rate['rate']:.3f} (95 %: {rate['low']:.3f} to "
        f"{rate['high']:.3f})"
        for name, rate in reviewed.items()
    ]


def run_review(options: TeachOptions) -> int:
    """Ask, write the answers down, and say what they show; the exit status. Raises ConfigError."""
    from vidpipe.teaching.examples import Example, append_answer, is_store, read_examples
    from vidpipe.teaching.review import is_answered, questions, rates

    if not options.events:
        raise ConfigError("--review needs --events: what `vidpipe run --events` has written")
    answers = options.examples[-1]
    if is_store(answers):
        raise ConfigError(f"--from {answers} is a store: answer its questions on the page, or name a CSV file last")
    check_writable(answers, "--from")
    examples = read_examples([path for path in options.examples if path.exists()], options.event)
    console = _console()
    open_ones = [
        question
        for path in options.events
        for question in questions(path, options.event)
        if not is_answered(question, examples)
    ]
    recording = options.results[0].name.removesuffix(".jsonl") if len(options.results) == 1 else ""
    for number, each in enumerate(open_ones, 1):
        said = "told" if each.said else "not told"
        shown = f", {' '.join(each.pictures)}" if each.pictures else ""
        console.print(
            f"{number} of {len(open_ones)}: {each.stream}, {each.begin:.1f} to {each.end:.1f} s, {said}{shown}"
        )
        answer = _asked(f"was it {options.event}? y(es), n(o), s(kip), q(uit): ")
        if answer is None:
            break
        if answer in _ANSWERS:
            own = Example(
                recording, each.stream, each.begin, each.end, _ANSWERS[answer], each.said, f"{answers}: your answer"
            )
            append_answer(answers, own)
            examples.append(own)
    if not open_ones:
        console.print(f"there is no open question about {options.event}")
    for line in _rates(rates(examples)):
        console.print(line)
    return 0


def _asked(question: str) -> str | None:
    """What the user says; None: no more."""
    while True:
        print(question, end="", flush=True)  # noqa: T201
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line or answer in ("q", "quit"):
            return None
        if answer in ("s", "skip") or answer in _ANSWERS:
            return answer


def _console(*, stderr: bool = False) -> Console:
    return Console(markup=False, highlight=False, soft_wrap=True, stderr=stderr)
