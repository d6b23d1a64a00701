"""From results of runs to windows of features: the way on which a run looks, taken again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Phase
from vidpipe.results.recorded import RecordedResults
from vidpipe.results.replay import seen_of
from vidpipe.teaching.examples import Example
from vidpipe.teaching.fit import Shown
from vidpipe.teaching.judge import Span
from vidpipe.transforms.learnt import boxes
from vidpipe.transforms.learnt.classifier import BOXES, EventClassifier, Input
from vidpipe.transforms.learnt.window import PARTS
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.lessons import KIND, Looks
from vidpipe.transforms.rules.rules import STREAM_ENDED
from vidpipe.transforms.rules.seen import Ages, Seen
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.rules.watch import Happening


@dataclass(slots=True)
class Survey:
    """What results hold.

    Attributes:
        classes: of boxes, by name.
        features: size of each, by name.
        streams: the span of media seconds of each, by recording and name.
        runs: of each recording when its run began, as its first line says; "" where it does not.
    """

    classes: set[str] = field(default_factory=set)
    features: dict[str, int] = field(default_factory=dict)
    streams: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)


def name_of(path: Path) -> str:
    """What examples call a recording."""
    return path.name.removesuffix(".jsonl")


def results(path: Path) -> Iterator[tuple[str, Seen]]:
    """Each result of a file with its stream. Raises ConfigError."""
    recorded = RecordedResults(path)
    for number, told in recorded.lines():
        if "schema" in told:
            raise ConfigError(
                f"results {path}: they are of several runs, whose times are not those of one: give each alone"
            )
        try:
            yield told["stream"], seen_of(told)
        except (KeyError, TypeError, ValueError) as error:
            raise recorded.refused(number, error) from None


def survey(paths: Sequence[Path]) -> Survey:
    """See what there is to learn from. Raises ConfigError."""
    found = Survey()
    for path in paths:
        recording = name_of(path)
        found.runs[recording] = str(RecordedResults(path).head.get("start", ""))
        for stream, seen in results(path):
            found.classes.update(seen.classes)
            key = recording, stream
            begin, _ = found.streams.get(key, (seen.pts, 0.0))
            found.streams[key] = begin, seen.pts
            for name, features in seen.features.items():
                if features and found.features.setdefault(name, len(features)) != len(features):
                    raise ConfigError(
                        f"results {path}: `{name}` has {len(features)} features, and {found.features[name]} elsewhere: "
                        "they are of runs with other settings, so teach by those of one kind"
                    )
    return found


def blank(event: str, found: Survey, inputs: Sequence[str], **settings: float) -> EventClassifier:
    """A classifier that has learnt nothing yet, but says what is to be looked at.

    Args:
        inputs: names of features.
        settings: fields of `EventClassifier`: window_s, step_s, hold_s, k, n.
    """
    classes = tuple(sorted(found.classes)) if BOXES in inputs else ()
    sizes = {BOXES: boxes.size_of(len(classes)), **found.features}
    chosen = tuple(Input(name=name, size=sizes[name]) for name in inputs if sizes[name])
    size = PARTS * sum(each.size for each in chosen)
    return EventClassifier.model_validate(
        {
            "event": event,
            "inputs": chosen,
            "classes": classes,
            "begin": 0.0,
            "end": 0.0,
            "mean": [0.0] * size,
            "scale": [1.0] * size,
            "weights": [0.0] * size,
            "bias": 0.0,
            **settings,
        }
    )


def show(classifier: EventClassifier, paths: Sequence[Path], examples: Sequence[Example]) -> list[Shown | str]:
    """Each example with its windows; in place of one of which nothing is known, the name of what is missing, or "".

    Args:
        examples: each with the name of its recording.
    """
    windows: list[list[tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]]] = [[] for _ in examples]
    missing = [""] * len(examples)
    for path in paths:
        own: dict[str, list[int]] = defaultdict(list)
        for number, each in enumerate(examples):
            if each.recording == name_of(path):
                own[each.stream].append(number)
        if not own:
            continue
        looks: dict[str, tuple[Looks, Ages]] = {}
        for stream, seen in results(path):
            if stream not in own:
                continue
            if stream not in looks:
                looks[stream] = Looks(classifier), Ages()
            looking, ages = looks[stream]
            look = looking.see(seen, ages.age_s(seen))
            if look is None:
                continue
            for number in own[stream]:
                if examples[number].begin <= seen.pts <= examples[number].end + classifier.step_s:
                    if look.window is None:
                        missing[number] = look.missing
                    else:
                        windows[number].append((seen.pts, look.window))
    order = {name_of(path): rank for rank, path in enumerate(paths)}
    return [
        Shown(
            order[each.recording],
            each.stream,
            each.begin,
            each.end,
            each.yes,
            np.array([window for _, window in found]),
            np.array([pts for pts, _ in found]),
        )
        if found
        else why
        for each, found, why in zip(examples, windows, missing, strict=True)
    ]


def told(classifier: EventClassifier, paths: Sequence[Path], streams: Mapping[str, set[str]]) -> list[Span]:
    """What a rule with this classifier tells of results.

    Args:
        streams: by recording, those that it is held against.
    """
    rules = RulesConfig.model_validate({"rules": [{"id": "taught", "kind": KIND, "event": classifier, "review": 0.0}]})
    spans: list[Span] = []
    for path in paths:
        recording = name_of(path)
        engines: dict[str, Engine] = {}
        for stream, seen in results(path):
            if stream not in streams.get(recording, ()):
                continue
            if stream not in engines:
                engines[stream] = Engine(rules)
            spans += _ended(engines[stream].see(seen), recording, stream)
        for stream, engine in engines.items():
            spans += _ended(engine.end(STREAM_ENDED), recording, stream)
    return spans


def _ended(happened: Sequence[Happening], recording: str, stream: str) -> Iterator[Span]:
    for each in happened:
        if each.kind == KIND and each.phase is Phase.END:
            yield Span(recording, stream, each.data["started_pts"], each.data["ended_pts"])
