"""How a bench was measured, and what its words mean, for a reader who has only the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vidpipe.bench.figures import Bench
from vidpipe.bench.report.html.markup import Markup, join, tag
from vidpipe.bench.report.text import UNDEFINED

_TERMS = {
    "Reference": """
        The answers that everything is held against. Agreement with it is not truth: where people made labels, everybody
        is scored against those too, the reference as well.""",
    "Box F1": """
        Boxes are matched one-to-one within their class at IoU 0.5; right, false and missed ones are summed over the
        frames of the scored part. A frame that nobody looked at is scored with what was published for it. The 95 %
        interval is a bootstrap over stretches of time.""",
    "Moving": """
        Box F1 without objects that stand still. An object moves if it is not at the same place (IoU 0.7) one second
        before and after.""",
    "Presence F1": """
        Runs of time in which a class is there, in the picture or in a zone, matched one-to-one with 1 s of tolerance.
        On both sides gaps under 1 s are closed and runs under 0.2 s left out.""",
    "CPU s/s": """
        CPU seconds of all processes a second of video, decoding included, start-up apart: the median of the repeats,
        ± half of what they differ by.""",
    "Stale s": """
        Media time from the frame that was looked at to the frame that was answered with it: the 95th percentile.""",
    "Fitted and scored": """
        Static configurations are chosen on the fitted part of a clip, or on another clip. All scores are of the scored
        part, which nothing was fitted on.""",
    "Does better": """
        A other takes no more CPU and has no lower box F1, and is better in one of the two, by the medians.""",
    UNDEFINED: """
        Undefined: there was nothing to count. It stands for neither 0 nor 1.""",
}


def method(bench: Bench) -> Markup:
    """The end of the page."""
    machine = bench.machine
    runs = "1 run" if bench.repeats == 1 else f"{bench.repeats} runs"
    facts = {
        "Made at": bench.made_at,
        "Command": tag("code", bench.command),
        "Engine": f"{bench.engine}; {runs} of each candidate, taking turns",
        "Machine": f"{machine.processor}, {machine.cores} cores, {machine.memory_gb:.1f} GB",
        "System": f"{machine.system}, Python {machine.python}",
        "Versions": ", ".join(f"{name} {version}" for name, version in machine.versions.items()),
    }
    return join(
        tag("h2", "How it was measured"),
        tag("dl", *_list(facts.items())),
        tag("h3", "What the words mean"),
        tag("dl", *_list((term, " ".join(meaning.split())) for term, meaning in _TERMS.items())),
    )


def _list(pairs: Iterable[tuple[str, str]]) -> Iterator[Markup]:
    for term, meaning in pairs:
        yield tag("dt", term)
        yield tag("dd", meaning)
